"""What a stranger needs to read a figure."""


def labelled(figure) -> bool:
    """Every axes that shows numbers says what they are."""
    shown = [ax for ax in figure.axes if ax.axison and ax.get_label() != "<colorbar>"]
    return bool(shown) and all(ax.get_xlabel() for ax in shown) and bool(shown[0].get_ylabel())
