// A room's own style sheet, loaded once.

/** Add a style sheet to the page and wait until it holds. */
export function styled(path) {
  const there = document.querySelector(`link[href="${path}"]`);
  if (there) return Promise.resolve();
  const link = document.createElement("link");
  Object.assign(link, { rel: "stylesheet", href: path });
  return new Promise((resolve) => {
    link.onload = link.onerror = resolve;
    document.head.append(link);
  });
}
