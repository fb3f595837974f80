"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);

  // Addresses: those of the public catalog where the page knows them, else of where it is read.
  const base = document.documentElement.dataset.base || location.href.replace(/[?#].*$/, "");
  const isWeb = /^https?:/.test(base);
  const isPosix = (path) => !/^\/[A-Za-z]:\//.test(path);
  const place = (href) => {
    const url = new URL(href, base);
    if (url.protocol !== "file:") return url.href;
    const path = decodeURIComponent(url.pathname);
    return isPosix(path) ? path : path.slice(1);
  };
  const vsi = (href) => (/^https?:/.test(place(href)) ? "/vsicurl/" : "") + place(href);
  const bash = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);
  const written = {
    plain: place,
    python: (href) => JSON.stringify(place(href)),
    "vsi-python": (href) => JSON.stringify(vsi(href)),
    "vsi-bash": (href) => bash(vsi(href)),
  };
  const write = (target, href) => {
    if (target.dataset.how) target.textContent = written[target.dataset.how](href);
    else target.setAttribute("href", href);
  };

  for (const target of all("[data-to]")) write(target, target.dataset.to);

  for (const link of all("[data-browser]")) {
    if (!isWeb) continue;
    const { protocol, host, pathname } = new URL(link.dataset.browser, base);
    const scheme = protocol === "https:" ? "" : `${protocol}/`;
    link.href = `https://radiantearth.github.io/stac-browser/#/external/${scheme}${host}${pathname}`;
    link.hidden = false;
  }

  for (const button of all("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = button.closest(".snippet").querySelector("code");
      const label = button.firstChild;
      try {
        await navigator.clipboard.writeText(code.textContent);
        label.data = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        label.data = "Selected";
      }
      setTimeout(() => { label.data = "Copy"; }, 2000);
    });
  }

  const form = one(".filter");
  if (!form) return;
  const frames = all(".frames li").map((row) => {
    const taken = row.querySelector("time").dateTime;
    const cloud = row.dataset.c === undefined ? null : Number(row.dataset.c);
    const link = row.querySelector("a");
    return { row, taken, cloud, link, href: link.getAttribute("href") };
  });

  // The frame that the snippets take.
  const patterns = JSON.parse(one("[data-patterns]").dataset.patterns);
  const ground = all(".ground path");
  const choose = ({ row, taken, href }) => {
    const own = {
      id: href.slice(href.lastIndexOf("/") + 1, -5),
      stamp: taken.replace(/[-:Z]/g, ""),
      year: taken.slice(0, 4),
    };
    const cogs = patterns[row.dataset.p || 0];
    for (const target of all("[data-item]")) write(target, href);
    for (const target of all("[data-cog]")) {
      const pattern = cogs[target.dataset.cog];
      const known = pattern !== undefined;
      if (known) write(target, pattern.replace(/\{(id|stamp|year)\}/g, (_, name) => own[name]));
      else if (target.dataset.how) target.textContent = '"not in this frame"';
      if (!target.dataset.how) target.hidden = !known;
    }
    for (const other of frames) other.row.removeAttribute("aria-current");
    row.setAttribute("aria-current", "true");
    ground.forEach((path, number) => path.classList.toggle("on", number === Number(row.dataset.f || 0)));
  };
  const said = one("#picked").parentNode;
  frames.forEach((frame) => {
    frame.link.href = "#use";
    frame.link.addEventListener("click", () => {
      choose(frame);
      const day = document.createElement("strong");
      day.textContent = new Date(frame.taken).toLocaleDateString("en-GB", {
        day: "numeric", month: "long", year: "numeric", timeZone: "UTC",
      });
      said.replaceChildren("The snippets take the frame of ", day, ".");
    });
  });
  choose(frames.find(({ row }) => row.hasAttribute("aria-current")) || frames[0]);
  for (const hint of all(".js")) hint.hidden = false;

  // The filter.
  const line = one(".line");
  const slider = one("#cloud"); // none where no frame says how cloudy it is
  const whole = frames.some(({ cloud }) => cloud === null) ? "100 % or unknown" : "100 %";
  const first = Date.parse(frames[0].taken);
  const length = Math.max(Date.parse(frames[frames.length - 1].taken) - first, 1000);
  const narrow = () => {
    const limit = slider ? Number(slider.value) : 100;
    const from = one("#from").value || "0000";
    const to = one("#to").value || "9999";
    let shown = 0;
    let dots = "";
    for (const { row, taken, cloud } of frames) {
      const day = taken.slice(0, 10);
      const isClear = limit === 100 || (cloud !== null && cloud <= limit);
      row.hidden = !(isClear && day >= from && day <= to);
      if (row.hidden) continue;
      shown += 1;
      if (cloud !== null) {
        dots += `M${Math.round((Date.parse(taken) - first) * 1000 / length)},${Math.round(100 - cloud)}h0`;
      }
    }
    for (const group of all(".group")) {
      group.hidden = !group.querySelector("li:not([hidden])");
    }
    if (slider) one("#cloud-said").textContent = limit === 100 ? whole : `${limit} %`;
    one("#status").textContent = `${shown.toLocaleString("en")} of ${frames.length.toLocaleString("en")} frames`;
    if (line) {
      one("#hits").setAttribute("d", dots);
      line.classList.toggle("narrowed", shown < frames.length);
    }
  };
  form.addEventListener("input", narrow);
  form.addEventListener("reset", () => setTimeout(narrow));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  narrow(); // a browser that comes back to a page keeps what was set
})();
