// Tells screen readers the name and the value of each slider in a row: ipywidgets writes both beside the
// handle, and gives the handle no name and, for a choice among values, only its place. And it tells everybody
// of a number typed beside a slider that is none or out of its range, which ipywidgets would replace silently.
function render({ el }) {
  const set = (node, name, words) => {
    if (node && node.getAttribute(name) !== words) node.setAttribute(name, words);
  };
  let row, waiting;
  const wrong = new Set(), whole = new WeakMap(); // fields; and which are of whole numbers
  const complaint = readout => {
    const slider = readout.closest(".widget-slider"), handle = slider.querySelector("[role=slider]");
    const [least, most] = ["min", "max"].map(end => Number(handle.getAttribute(`aria-value${end}`)));
    const text = readout.textContent.trim(), number = text ? Number(text) : NaN;
    const isWhole = whole.get(readout), kind = isWhole ? "a whole number " : "";
    const fits = number >= least && number <= most && (!isWhole || Number.isInteger(number));
    const name = slider.querySelector("label").textContent;
    return fits ? "" : `${name} must be ${kind}in [${least}, ${most}], got ${text || "nothing"}`;
  };
  const complain = () => {
    wrong.forEach(readout => complaint(readout) || wrong.delete(readout));
    const words = [...wrong].map(complaint).join("; ");
    if (el.textContent === words) return;
    el.replaceChildren(...(words ? [document.createElement("span")] : []));
    if (words) Object.assign(el.firstChild, { role: "alert", textContent: words });
  };
  const typed = event => {
    const readout = event.target.closest?.(".widget-readout[contenteditable=true]");
    if (!readout || (event.type === "keydown" && event.key !== "Enter")) return;
    if (complaint(readout)) {
      wrong.add(readout);
      event.preventDefault();
      event.stopPropagation(); // before ipywidgets replaces it
    }
    complain();
  };
  const tell = () => {
    row.querySelectorAll(".widget-slider").forEach(slider => {
      const name = slider.querySelector("label")?.textContent, readout = slider.querySelector(".widget-readout");
      const handle = slider.querySelector("[role=slider]");
      if (!name || !readout) return;
      set(handle, "aria-label", name);
      set(handle, "aria-valuetext", readout.textContent);
      // What is typed beside a choice among values is taken by nobody.
      if (slider.matches(".minmax-choice")) set(readout, "contenteditable", "false");
      if (!readout.isContentEditable) return;
      set(readout, "role", "textbox");
      set(readout, "aria-label", name);
      if (!whole.has(readout) && readout.textContent) whole.set(readout, !readout.textContent.includes("."));
    });
    complain();
  };
  const watcher = new MutationObserver(tell), acts = ["keydown", "blur"];
  const begin = () => {
    row = el.closest(".minmax-row");
    if (!row) waiting = requestAnimationFrame(begin); // it is put into its row after this
    else {
      const attributeFilter = ["aria-valuetext", "contenteditable"];
      watcher.observe(row, { subtree: true, childList: true, characterData: true, attributeFilter });
      acts.forEach(act => row.addEventListener(act, typed, true));
      tell();
    }
  };
  begin();
  return () => {
    cancelAnimationFrame(waiting);
    watcher.disconnect();
    acts.forEach(act => row?.removeEventListener(act, typed, true));
  };
}
export default { render };
