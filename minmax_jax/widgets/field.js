// A field of pixels to draw on with a mouse, a finger, or the arrow keys and the space bar.
function render({ model, el }) {
  const side = model.get("side"), scale = Math.floor(280 / side);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side * scale;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "Field to draw on: with the mouse, or arrow keys to move and space to paint");
  canvas.style.cssText = "touch-action: none; border: 1px solid gray; cursor: crosshair";
  const pen = canvas.getContext("2d");
  let pixels, at = [side / 2, side / 2], last = null, keyed = false;

  const read = () => {
    const view = model.get("pixels");
    pixels = new Uint8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  };
  const draw = () => {
    for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
      const value = pixels[y * side + x];
      pen.fillStyle = `rgb(${value}, ${value}, ${value})`;
      pen.fillRect(x * scale, y * scale, scale, scale);
    }
    if (!keyed) return;
    pen.strokeStyle = "#E69F00";
    pen.lineWidth = 2;
    pen.strokeRect(at[0] * scale, at[1] * scale, scale, scale);
  };
  // A round brush with a soft edge, as strokes of MNIST have it.
  const dab = (x, y) => {
    const radius = side / 17;
    for (let j = 0; j < side; j++) for (let i = 0; i < side; i++) {
      const distance = Math.hypot(i + 0.5 - x, j + 0.5 - y);
      const value = Math.round(255 * Math.min(1, Math.max(0, radius + 0.5 - distance)));
      pixels[j * side + i] = Math.max(pixels[j * side + i], value);
    }
  };
  const stroke = (from, to) => {
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])));
    for (let k = 0; k <= steps; k++) dab(from[0] + (to[0] - from[0]) * k / steps, from[1] + (to[1] - from[1]) * k / steps);
  };
  const tell = () => {
    model.set("pixels", new DataView(pixels.buffer.slice(0)));
    model.save_changes();
  };
  const place = event => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * side, (event.clientY - box.top) / box.height * side];
  };
  canvas.addEventListener("pointerdown", event => {
    if (event.button || !event.isPrimary) return;
    canvas.setPointerCapture(event.pointerId);
    keyed = false;
    last = place(event);
    dab(...last);
    draw();
  });
  canvas.addEventListener("pointermove", event => {
    if (!last || !event.isPrimary) return;
    const now = place(event);
    stroke(last, now);
    last = now;
    draw();
  });
  const lift = () => { if (last) { last = null; tell(); } };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("keydown", event => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation(); // a notebook would leave the cell
    keyed = true;
    if (move) at = at.map((one, i) => Math.min(side - 1, Math.max(0, Math.floor(one) + move[i])));
    else { dab(at[0] + 0.5, at[1] + 0.5); tell(); }
    draw();
  });
  model.on("change:pixels", () => { read(); draw(); });
  read();
  draw();
  el.appendChild(canvas);
}
export default { render };
