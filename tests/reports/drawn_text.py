"""What is written on a figure, and whether one thing covers another."""


def texts(figure):
    """All texts that are drawn, tick labels within the axes' limits too."""
    found = [text for text in (figure._suptitle,) if text is not None]
    for legend in figure.legends:
        found += legend.get_texts()
    for axes in figure.axes:
        found += [axes.xaxis.label, axes.yaxis.label, axes.title]
        for axis, limits in (
            (axes.xaxis, axes.get_xlim()),
            (axes.yaxis, axes.get_ylim()),
        ):
            low, high = sorted(limits)
            found += [
                tick.label1
                for tick in axis.get_major_ticks()
                if low <= tick.get_loc() <= high
            ]
    return [text for text in found if text.get_text() and text.get_visible()]


def covered(figure):
    """Pairs of texts that overlap, and texts that leave the figure."""
    figure.draw_without_rendering()
    found = []
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts(figure)]
    width, height = figure.get_size_inches() * figure.dpi
    for i, (text, box) in enumerate(boxes):
        found += [(text, o) for o, other in boxes[:i] if box.overlaps(other)]
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
            found.append((text, "the edge"))
    return found
