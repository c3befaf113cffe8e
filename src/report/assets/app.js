"use strict";
(() => {
  const PER_PAGE = 100;
  const KEPT_SHARDS = 6;
  const $ = (id) => document.getElementById(id);
  const sections = [...document.querySelectorAll("main > section")];
  let table = null;
  let shown = [];
  let page = 0;
  let sort = { key: "n", up: true };
  const shards = new Map();

  // Everything that models wrote arrives as text and is set as text.
  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = visible(text);
    if (className) made.className = className;
    return made;
  };

  // Control and direction characters are shown, not obeyed.
  const visible = (text) =>
    String(text).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g,
      (c) => "\\u" + c.codePointAt(0).toString(16).padStart(4, "0"));

  const unpack = async (id) => {
    const packed = Uint8Array.from(atob($(id).textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };

  const detailOf = async (row) => {
    const id = Math.floor(row / table.names.per_shard);
    if (!shards.has(id)) {
      shards.set(id, await unpack("data-" + id));
      if (shards.size > KEPT_SHARDS) shards.delete(shards.keys().next().value);
    }
    return shards.get(id)[row % table.names.per_shard];
  };

  const LISTS = { i: "instances", k: "skills", s: "statuses", r: "reasons", e: "evidence", m: "models" };
  const word = (row, key) => table.names[LISTS[key]][table.rows[row][key]];

  const fillFilters = () => {
    for (const key of ["k", "s", "r", "e", "m"]) {
      table.names[LISTS[key]].map((name, at) => [name, at]).sort().forEach(([name, at]) => {
        const option = element("option", name);
        option.value = at;
        $("f-" + key).append(option);
      });
    }
  };

  const filter = () => {
    const text = $("f-text").value.trim().toLowerCase();
    const matches = (list) => new Set(list.flatMap((name, at) => (name.toLowerCase().includes(text) ? [at] : [])));
    const instances = matches(table.names.instances);
    const models = matches(table.names.models);
    const wanted = ["k", "s", "r", "e", "m"].map((key) => [key, $("f-" + key).value]).filter(([, value]) => value !== "");
    const distinct = $("f-d").checked;
    shown = [];
    table.rows.forEach((row, at) => {
      if (text && !instances.has(row.i) && !models.has(row.m)) return;
      if (distinct && row.d !== undefined) return;
      if (wanted.every(([key, value]) => row[key] === Number(value))) shown.push(at);
    });
    if (sort.key !== "n" || !sort.up) {
      const sign = sort.up ? 1 : -1;
      const value = (at) => (sort.key === "n" ? at : word(at, sort.key));
      shown.sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        return sign * (x < y ? -1 : x > y ? 1 : a - b);
      });
    }
    page = 0;
    draw();
  };

  const draw = () => {
    const pages = Math.max(1, Math.ceil(shown.length / PER_PAGE));
    page = Math.min(page, pages - 1);
    const body = $("table").tBodies[0];
    const rows = shown.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map((at) => {
      const line = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      const link = element("a", String(at + 1));
      link.href = "#candidate/" + (at + 1);
      head.append(link);
      line.append(head);
      for (const key of ["i", "k", "s", "r", "e", "m"]) {
        const cell = element("td", key === "s" ? undefined : word(at, key));
        if (key === "s") cell.append(element("span", word(at, key), "tag " + word(at, key)));
        if (key === "r") cell.title = table.names.why[word(at, key)] || "";
        if (key === "s" && table.rows[at].d !== undefined) cell.append(element("span", " same as " + (table.rows[at].d + 1), "note"));
        line.append(cell);
      }
      return line;
    });
    body.replaceChildren(...rows);
    $("found").textContent = shown.length + " of " + table.rows.length + " candidates";
    $("pages").textContent = "page " + (page + 1) + " of " + pages;
    $("prev").disabled = page === 0;
    $("next").disabled = page + 1 >= pages;
    document.querySelectorAll("[data-sort]").forEach((button) => {
      const active = button.dataset.sort === sort.key;
      button.parentElement.setAttribute("aria-sort", active ? (sort.up ? "ascending" : "descending") : "none");
    });
  };

  const facts = (pairs) => {
    const list = element("dl", undefined, "facts");
    for (const [name, value] of pairs) {
      if (value === undefined || value === null || value === "") continue;
      const pair = document.createElement("div");
      pair.append(element("dt", name), element("dd", value));
      list.append(pair);
    }
    return list;
  };

  const grid = (heads, rows) => {
    const scroll = element("div", undefined, "scroll");
    const made = element("table", undefined, "plain");
    const head = made.createTHead().insertRow();
    heads.forEach((name) => {
      const cell = element("th", name);
      cell.scope = "col";
      head.append(cell);
    });
    const body = made.createTBody();
    rows.forEach((row) => {
      const line = body.insertRow();
      row.forEach((value) => {
        const cell = line.insertCell();
        if (value instanceof Node) cell.append(value);
        else cell.textContent = visible(value);
      });
    });
    scroll.append(made);
    return scroll;
  };

  const diffOf = (cut) => {
    const made = document.createElement("pre");
    cut.text.replace(/\n$/, "").split("\n").forEach((line) => {
      const kind = /^(diff |index |--- |\+\+\+ )/.test(line) ? "file" : line.startsWith("@@") ? "at"
        : line.startsWith("+") ? "add" : line.startsWith("-") ? "del" : "";
      made.append(element("span", line, kind));
    });
    return made;
  };

  const folded = (title, text, open) => {
    const made = document.createElement("details");
    made.open = Boolean(open);
    made.append(element("summary", title), element("pre", text, "wrap"));
    return made;
  };

  const section = (into, title, ...nodes) => into.append(element("h3", title), ...nodes);
  const mib = (n) => (n === undefined ? "" : n + " MiB");
  const tag = (word) => element("span", word, "tag " + (["passed", "failed"].includes(word) ? word : "open"));

  const showCandidate = async (at) => {
    const row = table.rows[at];
    const body = $("candidate-body");
    $("candidate-title").textContent = "Candidate " + (at + 1) + ": " + word(at, "i");
    body.replaceChildren(element("p", "Unpacking ..."));
    const detail = await detailOf(at);
    const made = document.createDocumentFragment();
    const verdict = element("p", undefined, "lead");
    verdict.append(element("span", word(at, "s"), "tag " + word(at, "s")), " ",
      element("strong", word(at, "r")), " ", element("span", table.names.why[word(at, "r")] || ""));
    made.append(verdict);
    if (detail.detail) made.append(element("p", detail.detail));
    if (row.d !== undefined) {
      const same = element("p", "It says the same as ");
      const link = element("a", "candidate " + (row.d + 1));
      link.href = "#candidate/" + (row.d + 1);
      same.append(link, ", whose trials it shares.");
      made.append(same);
    }
    made.append(facts([["Skill", word(at, "k")], ["Evidence", word(at, "e")], ["Model", word(at, "m")], ["Answer form", detail.form],
      ["Input line", detail.source], ["Tier", detail.strength && detail.strength.tier]]));
    if (detail.malformed) section(made, "Why nothing could be used", element("p", detail.malformed.why + ": " + detail.malformed.detail));
    if (detail.stripped.length) {
      section(made, "Taken back before judging", element("p", "A repair may not change these; they were restored from the base commit.", "note"),
        grid(["Path", "Kind"], detail.stripped.map((one) => [one.path, one.class])));
    }
    if (detail.flags.length || detail.normalised.length) {
      section(made, "Noticed", element("p", [...detail.flags, ...detail.normalised].join(", ")));
    }
    if (detail.diff.text) section(made, "The change", diffOf(detail.diff));
    else if (detail.files.length) section(made, "Files named", grid(["Path"], detail.files.map((path) => [path])));
    if (detail.tests.rows.length || detail.tests.unchanged) {
      const rows = detail.tests.rows.map((test) => [test.id, tag(test.before), tag(test.after), test.error || ""]);
      const rest = [];
      if (detail.tests.unchanged) rest.push(detail.tests.unchanged + " more passed before and after");
      if (detail.tests.more) rest.push(detail.tests.more + " more were not run, or are not listed");
      section(made, "Tests before and after", grid(["Test", "Before", "After", "Error"], rows), element("p", rest.join("; "), "note"));
    }
    if (detail.runs.length) {
      section(made, "What ran", grid(["Run", "End", "Passed", "Failed", "Other", "Took", "Memory", "Trial"], detail.runs.map((run) =>
        [run.what, run.end, run.passed, run.failed, run.other, (run.wall_ms / 1000).toFixed(1) + " s", mib(run.peak_mib),
          element("code", run.trial.slice(0, 12), "digest")])));
      detail.runs.forEach((run) => {
        if (run.tampered.length) made.append(element("p", "This run changed trusted files: " + run.tampered.join(", ")));
        if (run.retried.length) made.append(element("p", "The sandbox failed before: " + run.retried.join("; ")));
        if (run.log && run.log.text) {
          const where = run.blob ? ", kept in blobs/" + run.blob.slice(0, 2) + "/" + run.blob + ".zst" : "";
          made.append(folded("Log: " + run.what + " (" + run.printed + " bytes printed" + where + ")", run.log.text));
        }
      });
    }
    if (detail.answer.text) section(made, "The answer", folded("What the model wrote", detail.answer.text));
    section(made, "Evidence", facts([["Candidate", detail.candidate], ["Receipt", detail.receipt]]));
    body.replaceChildren(made);
    const place = shown.indexOf(at);
    const go = (link, to) => {
      link.hidden = to === undefined;
      if (to !== undefined) link.href = "#candidate/" + (to + 1);
    };
    go($("before"), place > 0 ? shown[place - 1] : undefined);
    go($("after"), place >= 0 ? shown[place + 1] : undefined);
  };

  const show = (name) => {
    sections.forEach((one) => { one.hidden = one.dataset.page !== name; });
    document.querySelectorAll("nav a[data-page]").forEach((link) => {
      const here = link.dataset.page === name || (name === "candidate" && link.dataset.page === "candidates");
      if (here) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    });
  };

  const route = async () => {
    const [path, query] = location.hash.slice(1).split(/\?(.*)/s);
    const [name, rest] = path.split("/");
    if (name === "candidate" && table.rows[Number(rest) - 1]) {
      show("candidate");
      await showCandidate(Number(rest) - 1);
      $("candidate-title").focus();
      window.scrollTo(0, 0);
      return;
    }
    if (name === "candidates" && query !== undefined) {
      $("f-text").value = decodeURIComponent(query.replace(/^q=/, ""));
      filter();
    }
    if (name === "main") return;
    show(["candidates", "instances"].includes(name) ? name : "overview");
  };

  const keys = (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const onTable = !$("candidates").hidden;
    const onCandidate = !$("candidate").hidden;
    const press = (id) => { if (id && !$(id).hidden && !$(id).disabled) $(id).click(); };
    if (event.key === "/") {
      event.preventDefault();
      location.hash = "#candidates";
      setTimeout(() => $("f-text").focus());
    } else if (event.key === "n") press(onCandidate ? "after" : onTable ? "next" : "");
    else if (event.key === "p") press(onCandidate ? "before" : onTable ? "prev" : "");
    else if (event.key === "u" && onCandidate) location.hash = "#candidates";
  };

  const start = async () => {
    show("overview");
    table = await unpack("data-table");
    fillFilters();
    filter();
    let waiting = 0;
    $("filters").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 80); });
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    $("prev").addEventListener("click", () => { page -= 1; draw(); });
    $("next").addEventListener("click", () => { page += 1; draw(); });
    document.querySelectorAll("[data-sort]").forEach((button) => button.addEventListener("click", () => {
      sort = { key: button.dataset.sort, up: sort.key === button.dataset.sort ? !sort.up : true };
      filter();
    }));
    document.querySelectorAll("[data-instance]").forEach((link) => {
      link.href = "#candidates?q=" + encodeURIComponent(link.dataset.instance);
    });
    document.addEventListener("keydown", keys);
    window.addEventListener("hashchange", route);
    await route();
    document.documentElement.dataset.ready = "yes";
  };

  start().catch((error) => {
    const told = element("p", "This page could not be opened in this browser: " + error + ". It needs DecompressionStream (browsers since 2023).");
    told.setAttribute("role", "alert");
    $("main").prepend(told);
  });
})();
