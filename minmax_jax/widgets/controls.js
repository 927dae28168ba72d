// Tells screen readers the name and the value of each slider in a row: ipywidgets writes both beside the
// handle, and gives the handle no name and, for a choice among values, only its place.
function render({ el }) {
  const set = (node, name, words) => {
    if (node && node.getAttribute(name) !== words) node.setAttribute(name, words);
  };
  let row, waiting;
  const tell = () => row.querySelectorAll(".widget-slider").forEach(slider => {
    const name = slider.querySelector("label")?.textContent, readout = slider.querySelector(".widget-readout");
    const handle = slider.querySelector("[role=slider]");
    if (!name || !readout) return;
    set(handle, "aria-label", name);
    set(handle, "aria-valuetext", readout.textContent);
    if (!readout.isContentEditable) return;
    set(readout, "role", "textbox");
    set(readout, "aria-label", name);
  });
  const watcher = new MutationObserver(tell);
  const begin = () => {
    row = el.closest(".minmax-row");
    if (!row) waiting = requestAnimationFrame(begin); // it is put into its row after this
    else {
      watcher.observe(row, { subtree: true, childList: true, characterData: true, attributeFilter: ["aria-valuetext"] });
      tell();
    }
  };
  begin();
  return () => {
    cancelAnimationFrame(waiting);
    watcher.disconnect();
  };
}
export default { render };
