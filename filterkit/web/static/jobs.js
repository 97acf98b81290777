// The progress of jobs: asked for while they run; the page is reloaded once they are done, and a job is
// cancelled when its page goes.
for (const part of document.querySelectorAll("[data-job]")) {
  const bar = part.querySelector("progress");
  const words = part.querySelector("[role=status]");
  const form = part.querySelector("form");
  let over = false;
  const ask = async () => {
    try {
      const response = await fetch(part.dataset.job);
      const job = await response.json();
      if (!response.ok || job.state === "done" || job.state === "failed") {
        over = true;
        location.reload();
        return;
      }
      if (words.textContent !== job.what) words.textContent = job.what;
      if (job.total) {
        bar.max = job.total;
        bar.value = job.done;
      }
    } catch {
      words.textContent = "the server does not respond";
    }
    setTimeout(ask, 500);
  };
  setTimeout(ask, 500);
  form.addEventListener("submit", () => (over = true));
  addEventListener("pagehide", () => {
    if (!over) fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), keepalive: true, redirect: "manual" });
  });
}
