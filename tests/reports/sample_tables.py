"""Rows of an analysis with known numbers, two replicates and two rounds."""

import itertools

ROUNDS = {1: 0.5, 2: 0.2}
DENSITIES = {0: 1.0, **ROUNDS}
LAYERS = ("fc1/kernel", "output/kernel")


def _csv(columns, rows):
    lines = [",".join(columns)]
    lines += [",".join(str(row.get(c, "")) for c in columns) for row in rows]
    return "\n".join(lines) + "\n"


def _cells(**lists):
    """Dicts of all combinations."""
    for values in itertools.product(*lists.values()):
        yield dict(zip(lists, values, strict=True))


def stability():
    rows = []
    for row in _cells(
        replicate=[0, 1],
        branch=["ticket", "random_ticket"],
        to=["data_order", "pruning"],
        round=list(ROUNDS),
    ):
        far = 2.0 if row["branch"] == "random_ticket" else 1.0
        rows.append(
            {
                **row,
                "density": ROUNDS[row["round"]],
                "layer": "all",
                "distance": far * (10 + row["replicate"]),
                "angle": far * (20 + row["replicate"]),
            }
        )
    dense = dict(branch="dense", to="data_order", round=0, density=1.0)
    rows.append(
        {**dense, "replicate": 0, "layer": "all", "distance": 40, "angle": 50}
    )
    # Layers are not drawn.
    rows.append({**rows[0], "layer": LAYERS[0], "distance": 1e6, "angle": 90})
    return rows


def instability():
    rows = [
        {
            **row,
            "to": "data_order",
            "density": ROUNDS[row["round"]],
            "train_instability": 0.001,
            "test_instability": 0.01 + 0.02 * row["replicate"],
        }
        for row in _cells(
            replicate=[0, 1], branch=["ticket"], round=list(ROUNDS)
        )
    ]
    dense = dict(branch="dense", round=0, density=1.0, train_instability=0)
    rows.append(
        {**dense, "replicate": 0, "to": "data_order", "test_instability": 0.005}
    )
    rows.append({**dense, "to": "initialisation", "test_instability": 0.6})
    return rows


def interpolation():
    rows = []
    for branch, to, round in (
        ("dense", "data_order", 0),
        ("dense", "initialisation", 0),
        ("ticket", "data_order", 1),
        ("ticket", "data_order", 2),
    ):
        for replicate, alpha in itertools.product((0, 1), (1.0, 0.0, 0.5)):
            bump = 0.5 if to == "initialisation" and alpha == 0.5 else 0.0
            rows.append(
                {
                    "replicate": replicate,
                    "round": round,
                    "density": DENSITIES[round],
                    "branch": branch,
                    "to": to,
                    "alpha": alpha,
                    "train_error": 0.001 * round,
                    "test_error": 0.02 + 0.01 * replicate + bump,
                }
            )
    return rows


def overlap():
    rows = []
    for round in ROUNDS:
        common = {"round": round, "layer": "all", "chance": 0.1}
        rows.append(
            {**common, "kind": "replicates", "first": 0, "second": 1}
            | {"overlap": 0.3}
        )
        for second, value in (
            ("snip/0", 0.4),
            ("reordered_random_ticket/0", 0),
        ):
            rows.append(
                {**common, "kind": "branches", "first": "ticket"}
                | {"second": second, "overlap": value, "replicate": 0}
            )
    rows.append({"kind": "rounds", "first": 0, "second": 1, "layer": "all"})
    return rows


def surviving_weights():
    rows = []
    for row in _cells(
        replicate=[0, 1],
        round=list(ROUNDS),
        layer=LAYERS,
        weights=["initial", "surviving", "trained"],
    ):
        for low, count in ((-1.0, 1), (0.0, 3)):
            rows.append({**row, "low": low, "high": low + 1, "count": count})
    return rows


def signs():
    return [
        {
            **row,
            "kept_sign_share": 0.9 + 0.02 * row["replicate"],
            "median_magnitude_ratio": 1.5,
            "centre_ratio": 0.5,
            "bimodality": 0.4 if row["layer"] == LAYERS[0] else 0.8,
        }
        for row in _cells(replicate=[0, 1], round=list(ROUNDS), layer=LAYERS)
    ]


def movement():
    return [
        {
            **row,
            "mean_distance": 3.0 if row["group"] == "surviving" else 2.0,
            "grew_share": 0.8 if row["group"] == "surviving" else 0.3,
        }
        for row in _cells(
            replicate=[0, 1],
            round=list(ROUNDS),
            layer=LAYERS,
            group=["surviving", "pruned"],
        )
    ]


def connectivity():
    return [
        {
            **row,
            "units": 10,
            "mean": 4.0,
            "variance": 16.0 if row["side"] == "outgoing" else 1.0,
            "chance_variance": 2.0,
            "dead": 1,
        }
        for row in _cells(
            replicate=[0, 1],
            round=list(ROUNDS),
            layer=LAYERS,
            side=["incoming", "outgoing"],
        )
    ]


def connectivity_units():
    rows = []
    for row in _cells(
        replicate=[0],
        round=list(ROUNDS),
        layer=LAYERS,
        side=["incoming", "outgoing"],
    ):
        for connections, units in ((0, 1), (2, 3)):
            rows.append({**row, "connections": connections, "units": units})
    return rows


TABLES = {
    table.__name__: table
    for table in (
        stability,
        instability,
        interpolation,
        overlap,
        surviving_weights,
        signs,
        movement,
        connectivity,
        connectivity_units,
    )
}


def write_tables(run_dir, names=tuple(TABLES)):
    """Writes tables as `tflottery analyse` would."""
    folder = run_dir / "analysis"
    folder.mkdir(parents=True)
    for name in names:
        rows = TABLES[name]()
        columns = list(dict.fromkeys(key for row in rows for key in row))
        (folder / f"{name}.csv").write_text(_csv(columns, rows))
