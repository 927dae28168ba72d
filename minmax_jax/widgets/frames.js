(() => {
  // The same output can be on a page twice: each script wakes the first that sleeps.
  const root = [...document.querySelectorAll("#ID")].find(one => !one.dataset.alive);
  if (!root) return;
  root.dataset.alive = "yes";
  const { frames, captions, sizes, words } = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const controls = [...root.querySelectorAll("input, select")];
  const picture = root.querySelector("img"), caption = root.querySelector("p");
  const addresses = frames.map(data => "data:image/webp;base64," + data);
  const show = () => {
    const chosen = controls.map(control => +control.value);
    const place = chosen.reduce((index, one, i) => index * sizes[i] + one, 0);
    controls.forEach((control, i) => {
      if (control.type !== "range") return;
      control.parentElement.nextElementSibling.textContent = words[i][chosen[i]];
      control.setAttribute("aria-valuetext", words[i][chosen[i]]);
    });
    picture.src = addresses[place];
    picture.alt = caption.textContent = captions[place];
  };
  controls.forEach(control => control.addEventListener("input", show));
  // A notebook takes keys for itself: arrows would leave the cell.
  root.addEventListener("keydown", event => event.stopPropagation());
  show();
})();
