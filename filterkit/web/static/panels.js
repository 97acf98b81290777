// Panels that take long are loaded after the page, when they come near the visible part of it.
async function load(section) {
  const note = section.querySelector("p");
  section.setAttribute("aria-busy", "true");
  try {
    const address = new URL(section.dataset.panel, location.href);
    address.searchParams.set("fragment", "1");
    const response = await fetch(address, { credentials: "same-origin" });
    if (!response.ok) throw new Error(response.statusText);
    const content = document.createElement("template");
    content.innerHTML = await response.text();
    note.replaceWith(content.content);
    section.dispatchEvent(new CustomEvent("panel", { bubbles: true }));
  } catch {
    note.append(" (it could not be loaded; the link tries again)");
  }
  section.removeAttribute("aria-busy");
}

const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      load(target);
    }
  },
  { rootMargin: "300px" },
);
for (const section of document.querySelectorAll("section[data-panel]")) near.observe(section);
