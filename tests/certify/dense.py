"""Bounds of one image by a second route: the whole network as dense matrices, in float64 and NumPy alone.

Nothing of the package is used but the weights. Values are flattened over (row, column, channel).
"""

import numpy as np
from scipy.optimize import brentq


def convolution(kernel, bias, height, width, padding):
    """The matrix and the constant of a convolution of stride 1, and the size of its output."""
    kh, kw, cin, cout = kernel.shape
    out_h, out_w = height + 2 * padding - kh + 1, width + 2 * padding - kw + 1
    matrix = np.zeros((out_h, out_w, cout, height, width, cin))
    for y, x, dy, dx in np.ndindex(out_h, out_w, kh, kw):
        row, column = y + dy - padding, x + dx - padding
        if 0 <= row < height and 0 <= column < width:
            matrix[y, x, :, row, column, :] += kernel[dy, dx].T
    flat = matrix.reshape(out_h * out_w * cout, -1)
    return flat, np.tile(bias, out_h * out_w), (out_h, out_w)


def windows(height, width, channels):
    """For each pooled value, the places of its four pixels, row by row."""
    place = np.arange(height * width * channels).reshape(height, width, channels)
    return np.array(
        [
            [place[2 * y + dy, 2 * x + dx, c] for dy in (0, 1) for dx in (0, 1)]
            for y, x, c in np.ndindex(height // 2, width // 2, channels)
        ]
    )


def stages(model):
    """The network as a list of (kind, contents)."""
    weights = {
        name: (np.asarray(layer.kernel[...], np.float64), np.asarray(layer.bias[...], np.float64))
        for name in ("conv1", "conv2", "dense1", "dense2", "dense3")
        for layer in [getattr(model, name)]
    }
    height, width, _ = model.image_shape
    found = []
    for name, padding in (("conv1", 2), ("conv2", 0)):
        matrix, bias, (height, width) = convolution(*weights[name], height, width, padding)
        found += [("affine", (matrix, bias)), ("bend", model.variant)]
        found += [("pool", (model.variant, windows(height, width, weights[name][1].size)))]
        height, width = height // 2, width // 2
    for name in ("dense1", "dense2", "dense3"):
        kernel, bias = weights[name]
        found += [("affine", (kernel.T, bias)), ("bend", model.variant)]
    return found[:-1]


def tanh(x):
    return 1.7159 * np.tanh(2 / 3 * x)


def slope_of_tanh(x):
    return 1.7159 * 2 / 3 / np.cosh(2 / 3 * x) ** 2


def above_tanh(low, high):
    """Slope and offset of the line above the scaled tanh from low to high."""
    if high - low < 1e-9:
        return 0.0, tanh(high)

    def gap(point):  # of the tangent at a point over the curve at low
        return tanh(point) + slope_of_tanh(point) * (low - point) - tanh(low)

    if high <= 0 or (low < 0 and gap(high) < 0):
        slope = (tanh(high) - tanh(low)) / (high - low)
        return slope, tanh(low) - slope * low
    touch = low if low >= 0 else brentq(gap, 0, high)
    point = max(touch, (low + high) / 2)
    return slope_of_tanh(point), tanh(point) - slope_of_tanh(point) * point


def bend_lines(variant, low, high):
    """Four arrays: slope and offset below, slope and offset above."""
    if variant == "classic":
        above = np.array([above_tanh(a, b) for a, b in zip(low, high, strict=True)])
        below = np.array([above_tanh(-b, -a) for a, b in zip(low, high, strict=True)])
        return below[:, 0], -below[:, 1], above[:, 0], above[:, 1]
    lines = np.zeros((4, len(low)))
    for i, (a, b) in enumerate(zip(low, high, strict=True)):
        if a >= 0:
            lines[:, i] = 1, 0, 1, 0
        elif b > 0:
            lines[:, i] = float(b > -a), 0, b / (b - a), -b * a / (b - a)
    return lines


def pool_planes(members, low, high, joint):
    """Matrices and constants below and above the maximum of each window."""
    below, above = np.zeros((2, len(members), len(low)))
    constant = np.zeros(len(members))
    for i, four in enumerate(members):
        least, most = low[four], high[four]
        if joint:
            centre = (least + most) / 2
            if centre.max() > 0:
                below[i, four[centre.argmax()]] = 1
            top = most.argmax()
            floor = max(0, least.max(), np.delete(most, top).max())
            if most[top] <= floor and least[top] < floor:
                constant[i] = floor
            elif least[top] >= floor:
                above[i, four[top]] = 1
            else:
                slope = (most[top] - floor) / (most[top] - least[top])
                above[i, four[top]], constant[i] = slope, floor - slope * least[top]
        else:
            first = least.argmax()
            below[i, four[first]] = 1
            if least[first] >= np.delete(most, first).max():
                above[i, four[first]] = 1
            else:
                constant[i] = most.max()
    return below, above, constant


def step(stage, low, high):
    """Interval bounds after a stage."""
    kind, contents = stage
    if kind == "affine":
        matrix, bias = contents
        up, down = np.maximum(matrix, 0), np.minimum(matrix, 0)
        return up @ low + down @ high + bias, up @ high + down @ low + bias
    if kind == "bend":
        function = tanh if contents == "classic" else lambda x: np.maximum(x, 0)
        return function(low), function(high)
    variant, members = contents
    reduce = np.mean if variant == "classic" else np.max
    return reduce(low[members], 1), reduce(high[members], 1)


def back(network, known, rows, constant, joint):
    """Least values of ``rows @ network(x) + constant``, by CROWN."""
    stage = len(network)
    while stage:
        stage -= 1
        kind, contents = network[stage]
        low, high = known[stage]
        up, down = np.maximum(rows, 0), np.minimum(rows, 0)
        if kind == "affine":
            constant, rows = constant + rows @ contents[1], rows @ contents[0]
        elif kind == "bend":
            k_low, b_low, k_high, b_high = bend_lines(contents, low, high)
            constant, rows = constant + up @ b_low + down @ b_high, up * k_low + down * k_high
        elif contents[0] == "classic":
            mean = np.zeros((len(contents[1]), len(low)))
            np.put_along_axis(mean, contents[1], 0.25, 1)
            rows = rows @ mean
        else:
            if joint:  # ReLU is before the pool and part of it
                stage -= 1
                low, high = known[stage]
            below, above, offset = pool_planes(contents[1], low, high, joint)
            constant, rows = constant + down @ offset, up @ below + down @ above
    low, high = known[0]
    return np.maximum(rows, 0) @ low + np.minimum(rows, 0) @ high + constant


def margin_bounds(model, image, label, eps, method, relaxation):
    """Lower bounds of ``z_y - z_j`` for each class j, of one image, by "ibp", "crown-ibp" or "crown"."""
    joint = relaxation == "joint" and model.variant == "modern"
    network = stages(model)
    image = np.asarray(image, np.float64).ravel()
    known = [(np.maximum(image - eps, 0), np.minimum(image + eps, 1))]
    for i, stage in enumerate(network[:-1]):
        low, high = step(stage, *known[-1])
        if method == "crown" and stage[0] == "affine" and i:
            one, zero = np.eye(len(low)), np.zeros(len(low))
            low = np.maximum(low, back(network[: i + 1], known, one, zero, joint))
            high = np.minimum(high, -back(network[: i + 1], known, -one, zero, joint))
        known.append((low, high))
    matrix, bias = network[-1][1]
    rows, constant = matrix[label] - matrix, bias[label] - bias
    if method == "ibp":
        low, high = known[-1]
        return np.maximum(rows, 0) @ low + np.minimum(rows, 0) @ high + constant
    return back(network[:-1], known, rows, constant, joint)
