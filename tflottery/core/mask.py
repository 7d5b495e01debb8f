"""The mask: which weights of a model are kept, as a value.

A ticket is a mask and a point to rewind to, so a mask that is almost right (an
entry of 0.5, a tensor of another model, an array changed in passing) spoils an
experiment quietly. `Mask` checks what it is given, copies it, and cannot be
changed afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tflottery.core import bits, checks, mask_table, records, shapes


class Mask(Mapping[str, np.ndarray]):
    """Which weights are kept, tensor by tensor: `{path: bool array}`.

    Where one wants it: everywhere between the pruner, the layers and the disk.
    `True` keeps and `False` prunes. A tensor that the mask does not name is
    dense. The tensors stay in the order given; equality, hash and digest do
    not depend on it.

    With `m` the mask: `kept = sum m`, `density = kept / size` and
    `sparsity = 1 - density`. A mask without any entry has density 1, since
    nothing is pruned.

    Between two masks of the same tensors, `&` keeps what both keep, `|` keeps
    what either keeps, and `a <= b` says that all survivors of `a` survive in
    `b`. Masks of different tensors are refused with an error that names the
    first one.

    Args:
        arrays: A mapping from the path of a variable to an array of booleans,
            or of zeros and ones of any numeric type. The arrays are copied.

    Raises:
        TypeError: If a path is not a string, or an array not of numbers.
        ValueError: If an array holds anything but 0 and 1; the message names
            the path and the value.

    Example:
        >>> mask = Mask({"fc/kernel": np.array([[1, 0], [1, 1]])})
        >>> mask
        Mask(1 tensor, 3 of 4 kept, density 0.7500)
        >>> mask["fc/kernel"].dtype
        dtype('bool')
    """

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        checks.check_instance(
            "arrays", arrays, Mapping, what="Pass {path: array}."
        )
        kept = {}
        for path, array in arrays.items():
            checks.check_instance(
                "path", path, str, what="Use the path of the variable."
            )
            kept[path] = bits.as_bits(path, array)
        self._arrays = kept
        self._digest: str | None = None

    @classmethod
    def owning(cls, arrays: Mapping[str, np.ndarray]) -> Mask:
        """Makes a mask of arrays that nobody else holds, without a copy.

        Args:
            arrays: A mapping from path to bool array, as `bits.owned` takes
                it.

        Example:
            >>> Mask.owning({"fc/kernel": np.array([[True, False]])}).kept
            1
        """
        mask = cls({})
        mask._arrays = {p: bits.owned(p, array) for p, array in arrays.items()}
        return mask

    @classmethod
    def ones_like(cls, arrays_or_shapes: Mapping[str, Any]) -> Mask:
        """Makes the mask that keeps everything.

        Args:
            arrays_or_shapes: A mapping from path to an array, or to a shape (a
                tuple or list of integers).

        Returns:
            A mask of density 1.

        Example:
            >>> Mask.ones_like({"fc/kernel": (3, 2)}).kept
            6
        """
        return cls.owning(
            {
                path: np.ones(shapes.shape_of(value), np.bool_)
                for path, value in arrays_or_shapes.items()
            }
        )

    def __getitem__(self, path: str) -> np.ndarray:
        return self._arrays[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        tensors = "tensor" if len(self) == 1 else "tensors"
        return (
            f"Mask({len(self)} {tensors}, {self.kept} of {self.size} kept, "
            f"density {self.density:.4f})"
        )

    def __reduce__(self) -> tuple:
        # Unpickled arrays are writable; __init__ makes read-only copies.
        return (type(self), (dict(self._arrays),))

    @property
    def size(self) -> int:
        """The number of entries, kept or not."""
        return sum(array.size for array in self.values())

    @property
    def kept(self) -> int:
        """The number of survivors."""
        return sum(int(np.count_nonzero(array)) for array in self.values())

    @property
    def density(self) -> float:
        """The fraction of entries that are kept, in [0, 1]."""
        return self.kept / self.size if self.size else 1.0

    @property
    def sparsity(self) -> float:
        """The fraction of entries that are pruned, in [0, 1]."""
        return (self.size - self.kept) / self.size if self.size else 0.0

    def densities(self) -> dict[str, float]:
        """Returns the density of each tensor, `{path: float}`.

        Example:
            >>> Mask({"a": [1, 0], "b": [1, 1]}).densities()
            {'a': 0.5, 'b': 1.0}
        """
        return {path: bits.density(array) for path, array in self.items()}

    def _combine(self, other: object, combine: Callable[..., Any]) -> Mask:
        if not isinstance(other, Mask):
            return NotImplemented
        self.check_fits(other, what="other mask")
        return Mask({path: combine(a, other[path]) for path, a in self.items()})

    def __and__(self, other: object) -> Mask:
        return self._combine(other, np.logical_and)

    def __or__(self, other: object) -> Mask:
        return self._combine(other, np.logical_or)

    def __le__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        self.check_fits(other, what="other mask")
        # On booleans, "greater" is kept here and pruned there.
        return not any(np.any(a > other[path]) for path, a in self.items())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        return self.keys() == other.keys() and all(
            np.array_equal(array, other[path]) for path, array in self.items()
        )

    def __hash__(self) -> int:
        return hash(self.digest())

    def overlap(self, other: Mask) -> float:
        """Returns how much of the survivors the two masks share.

        With A and B the two sets of survivors this is the Jaccard index,
        `|A and B| / |A or B|`: 1 for equal masks, 0 for disjoint ones. Two
        masks without survivors are equal, and count as 1.

        Args:
            other: A mask of the same tensors.

        Returns:
            A float in [0, 1].

        Raises:
            TypeError: If `other` is not a mask.
            ValueError: If the two masks differ in their paths or shapes.

        Example:
            >>> Mask({"a": [1, 1, 0, 1]}).overlap(Mask({"a": [0, 1, 1, 1]}))
            0.5
        """
        checks.check_instance("other", other, Mask)
        either = (self | other).kept
        return (self & other).kept / either if either else 1.0

    def apply(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the arrays with an exact zero at every pruned entry.

        A pruned NaN becomes zero too, unlike in a product. What the mask does
        not name, such as biases, is dense and is passed on as it is.

        Args:
            arrays: A mapping from path to array; it must have every path of
                the mask.

        Returns:
            A dict with the paths of `arrays`, in their order; the masked ones
            are new NumPy arrays of the same dtype.

        Raises:
            ValueError: If an array is missing or has another shape.

        Example:
            >>> Mask({"a": [1, 0]}).apply({"a": np.array([2.0, 3.0])})
            {'a': array([2., 0.])}
        """
        known = {
            path: np.asarray(v) for path, v in arrays.items() if path in self
        }
        self.check_fits(known, what="set of arrays")
        masked = dict(arrays)
        for path, array in known.items():
            zero = np.zeros((), array.dtype)
            masked[path] = np.where(self[path], array, zero)
        return masked

    def check_fits(
        self, shapes_or_arrays: Mapping[str, Any], what: str = "model"
    ) -> None:
        """Refuses tensors that the mask was not made for.

        Args:
            shapes_or_arrays: A mapping from path to shape, or to an array.
            what: What they belong to, for the message. Defaults to `"model"`.

        Raises:
            ValueError: If a shape differs, or either side has a path that the
                other has not. The message names the tensors.
        """
        shapes.check_same_shapes(self, shapes_or_arrays, what=what)

    def digest(self) -> str:
        """Returns a name for the content, as `bits.digest`: 64 hex digits."""
        if self._digest is None:
            self._digest = bits.digest(self)
        return self._digest

    def save(self, path: Any) -> None:
        """Writes the mask into one checksummed file, one bit an entry.

        Args:
            path: Where to write, local or remote. An existing file is
                replaced, at once or not at all.
        """
        meta = {"shapes": {name: list(a.shape) for name, a in self.items()}}
        records.write_record(path, "mask", bits.pack(self), meta)

    @classmethod
    def load(cls, path: Any) -> Mask:
        """Reads a mask that `save` wrote.

        Args:
            path: The file, local or remote.

        Returns:
            An equal mask, with its tensors in the same order.

        Raises:
            FileNotFoundError: If there is no such file.
            DamagedFileError: If a byte was changed or lost.
            ForeignFileError: If the file is not a mask of tflottery.
        """
        packed, meta = records.read_record(path, "mask")
        return cls(bits.unpack(packed, meta["shapes"]))

    def report(self) -> str:
        """Returns a readable table, a line per tensor and one for the whole.

        Example:
            >>> print(Mask({"fc/kernel": [[1, 0], [1, 1]]}).report())
            path       shape  kept  size  density
            fc/kernel  2x2       3     4   0.7500
            total                3     4   0.7500
        """
        return mask_table.table(self)
