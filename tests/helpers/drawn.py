"""What a stranger needs to read a figure, and what matplotlib itself draws of it."""

import io

import numpy as np


def labelled(figure) -> bool:
    """Every axes that shows numbers says what they are."""
    shown = [ax for ax in figure.axes if ax.axison and ax.get_label() != "<colorbar>"]
    return bool(shown) and all(ax.get_xlabel() for ax in shown) and bool(shown[0].get_ylabel())


def drawn_anew(figure) -> np.ndarray:
    """The pixels of a figure by matplotlib's own way of saving it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="raw", dpi=figure.dpi)
    width, height = figure.canvas.get_width_height()
    return np.frombuffer(buffer.getvalue(), np.uint8).reshape(height, width, 4)
