// The page's own code: puts the figures of the JSON element into the document and draws them with D3.
//
// Texts become text nodes, never markup; ids and large counts are exact (see `exact`). Everything is built from the
// figures, so that a change of width, country, order or filter draws anew and keeps no other state than `view`.
"use strict";

(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const view = { code: null, sort: "streams", down: true, filter: "" };

  // ---- numbers and days

  /** A count as JSON has it: a number, or a text when a number would round it. */
  const exact = (count) => (typeof count === "string" ? BigInt(count) : count);

  /** The exact sum; `null` counts nothing. */
  function sum(counts) {
    let total = 0;
    for (const count of counts) {
      if (typeof count === "bigint" || !Number.isSafeInteger(total + count)) {
        return counts.reduce((all, one) => all + BigInt(one ?? 0), 0n);
      }
      total += count;
    }
    return total;
  }

  const grouped = new Intl.NumberFormat("en");
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  const number = (count) => grouped.format(count);
  const short = (count) => (count < 10000 ? number(count) : compact.format(count));

  function percent(part, whole) {
    const share = Number(whole) > 0 ? (Number(part) / Number(whole)) * 100 : 0;
    if (share > 0 && share < 0.01) return "<0.01%";
    return `${share.toFixed(share < 1 ? 2 : 1)}%`;
  }

  /** How much more than before, in percent; `null` when there is nothing to compare with. */
  const growth = (now, before) => (before === null ? null : (Number(now) / Number(before) - 1) * 100);
  function signed(change) {
    const digits = Math.abs(change) < 10 ? change.toFixed(1) : Math.round(change).toString();
    if (Number(digits) === 0) return "0.0%";
    return change > 0 ? `+${digits}%` : `${digits.replace("-", "\u2212")}%`;
  }

  const dated = (options) => {
    const format = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
    return (day) => format.format(new Date(`${day}T00:00:00Z`));
  };
  const dayAndMonth = dated({ day: "numeric", month: "short" });
  const weekday = dated({ weekday: "short" });
  const long = { day: "numeric", month: "long", year: "numeric" };
  const fullDay = dated(long);
  const days = (count) => (count === 1 ? "1 day" : `${count} days`);

  // ---- the document

  const byId = (id) => document.getElementById(id);

  /** A new element with attributes and children; a text child is text. */
  function el(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined) element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  const unseen = (text) => el("span", { class: "sr-only" }, text);
  const seenOnly = (text) => el("span", { "aria-hidden": "true" }, text);

  // ---- what the figures mean

  const stored = figures.daily.map((day) => day !== null);
  const daily = figures.daily.map(
    (day) => day && { streams: exact(day.streams), rejects: day.rejects && day.rejects.map(exact) },
  );
  const total = sum(daily.map((day) => day?.streams ?? null));
  /** Rejected rows of a day: null where it is not stored, or came from tables that do not have them. */
  const rejectedOn = (day) => (day?.rejects ? sum(day.rejects) : null);
  /** One unknown day makes the sum unknown. */
  const rejected = daily.every((day) => !day || day.rejects) ? sum(daily.map(rejectedOn)) : null;
  const earlier = figures.earlier.map((window) => ({
    ...window,
    streams: window.streams === null ? null : exact(window.streams),
  }));
  /** Counts of days that are not stored are gaps, not zeros. */
  const withGaps = (counts) => counts.map((count, at) => (stored[at] ? exact(count) : null));
  const reasonNames = {
    too_long: "too long",
    blank: "blank",
    field_count: "fields",
    song_id: "song id",
    user_id: "user id",
    country: "country",
  };

  const countries = figures.countries.map((country) => {
    const series = withGaps(country.streams);
    const streams = sum(series);
    const before = country.earlier.map((count) => (count === null ? null : exact(count)));
    return { ...country, series, streams, before, growth: growth(streams, before[1]) };
  });
  const byStreams = (one, other) => compare(other.streams, one.streams) || compare(one.code, other.code);
  countries.sort(byStreams).forEach((country, at) => (country.place = at));
  const countryOf = new Map(countries.map((country) => [country.code, country]));

  function compare(one, other) {
    return one < other ? -1 : one > other ? 1 : 0;
  }

  /** The songs of a country, the best first. */
  function songsOf(country) {
    return country.songs.map(([place, dayRank, weekRank, ...counts], at) => {
      const [id, title = "", artist = ""] = figures.songs[place];
      const series = withGaps(counts);
      return { rank: at + 1, id, title, artist, series, streams: sum(series), ranks: [dayRank, weekRank] };
    });
  }

  // ---- charts

  /** Draws `paint(width)` into the host, and again when its width changes. */
  function drawn(host, paint) {
    let width = 0;
    const draw = () => {
      const now = Math.floor(host.clientWidth);
      if (now > 0 && now !== width) {
        width = now;
        host.replaceChildren(paint(width));
      }
    };
    new ResizeObserver(draw).observe(host);
    draw();
    return () => {
      width = 0;
      draw();
    };
  }

  /** Columns of stacked counts, one a day; a gap is an empty frame. `series`: [{ name, css, counts }]. */
  function columns(width, label, series, above) {
    const height = 230;
    const edge = { top: 22, right: 4, bottom: 38, left: 46 };
    const most = Math.max(...figures.days.map((_, at) => Number(sum(series.map((one) => one.counts[at] ?? null)))), 1);
    const room = width - edge.left - edge.right;
    // A few days are centred instead of drawn as broad blocks.
    const idle = Math.max(room - figures.days.length * 120, 0) / 2;
    const x = d3.scaleBand(figures.days, [edge.left + idle, edge.left + room - idle]).padding(0.22);
    const y = d3.scaleLinear([0, most], [height - edge.bottom, edge.top]).nice(4);
    const svg = d3.create("svg").attr("viewBox", [0, 0, width, height]).attr("role", "img").attr("aria-label", label);
    const ticks = y.ticks(4).filter(Number.isInteger);
    const left = d3.axisLeft(y).tickValues(ticks).tickFormat(short).tickSize(edge.left + edge.right - width);
    svg.append("g").attr("class", "axis").attr("transform", `translate(${edge.left},0)`).call(left);
    const step = Math.ceil(44 / x.step());
    figures.days.forEach((day, at) => {
      const middle = x(day) + x.bandwidth() / 2;
      if (at % step === 0) {
        const under = svg.append("text").attr("text-anchor", "middle").attr("y", height - edge.bottom + 15);
        under.append("tspan").attr("x", middle).text(dayAndMonth(day));
        under.append("tspan").attr("x", middle).attr("dy", 15).text(weekday(day));
      }
      if (!stored[at]) {
        const frame = svg.append("rect").attr("class", "gap").attr("rx", 2);
        frame.attr("x", x(day)).attr("width", x.bandwidth()).attr("y", edge.top).attr("height", height - edge.bottom - edge.top);
        frame.append("title").text(`${fullDay(day)}: not stored`);
        const turned = `translate(${middle + 4},${(height - edge.bottom + edge.top) / 2}) rotate(-90)`;
        svg.append("text").attr("text-anchor", "middle").attr("transform", turned).text("not stored");
        return;
      }
      let low = 0;
      for (const one of series) {
        const count = Number(one.counts[at]);
        const bar = svg.append("rect").attr("class", one.css).attr("x", x(day)).attr("width", x.bandwidth());
        bar.attr("y", y(low + count)).attr("height", y(low) - y(low + count));
        const shown = one.counts[at] === null ? "unknown" : number(one.counts[at]);
        bar.append("title").text(`${fullDay(day)}, ${one.name}: ${shown}`);
        low += count;
      }
      const text = above(at);
      if (x.bandwidth() > text.length * 6.2) {
        svg.append("text").attr("class", "value").attr("text-anchor", "middle").attr("x", middle).attr("y", y(low) - 6).text(text);
      }
    });
    return svg.node();
  }

  /** A line over the days with a dot at its end; gaps are dotted. Its title reads the counts out. */
  function spark(series) {
    const [width, height, edge] = [96, 28, 3];
    const most = Math.max(...series.map((count) => Number(count ?? 0)), 1);
    const x = d3.scaleLinear([0, Math.max(series.length - 1, 1)], [edge, width - edge]);
    const y = d3.scaleLinear([0, most], [height - edge, edge]);
    const defined = (count) => count !== null;
    const line = d3.line().defined(defined).x((_, at) => x(at)).y((count) => y(Number(count)));
    const fill = d3.area().defined(defined).x((_, at) => x(at)).y0(y(0)).y1((count) => y(Number(count)));
    const svg = d3.create("svg").attr("class", "spark").attr("viewBox", [0, 0, width, height]).attr("role", "img");
    const title = (count, at) => `${dayAndMonth(figures.days[at])} ${count === null ? "not stored" : number(count)}`;
    svg.append("title").text(series.map(title).join(", "));
    svg.append("path").attr("class", "fill").attr("d", fill(series));
    svg.append("path").attr("class", "line").attr("d", line(series));
    series.forEach((count, at) => {
      const alone = (series[at - 1] ?? null) === null && (series[at + 1] ?? null) === null;
      if (count !== null && (alone || at === series.length - 1)) {
        svg.append("circle").attr("cx", x(at)).attr("cy", y(Number(count))).attr("r", 2);
      } else if (count === null) {
        const half = (x(1) - x(0)) / 2;
        const ends = [Math.max(x(at) - half, edge), Math.min(x(at) + half, width - edge)];
        svg.append("path").attr("class", "gap").attr("d", `M${ends[0]},${y(0)}H${ends[1]}`);
      }
    });
    return svg.node();
  }

  function treemap(width) {
    const height = Math.max(Math.min(width * 0.72, 430), 300);
    const root = d3.hierarchy({ children: countries }).sum((one) => Number(one.streams ?? 0));
    d3.treemap().size([width, height]).padding(1).round(true).tile(d3.treemapSquarify.ratio(1.3))(root);
    const label = `Areas of ${countries.length} countries; the table of countries has the same numbers`;
    const svg = d3.create("svg").attr("viewBox", [0, 0, width, height]).attr("role", "img").attr("aria-label", label);
    const most = Number(countries[0]?.streams ?? 1);
    for (const leaf of root.leaves()) {
      const { data: country, x0, x1, y0, y1 } = leaf;
      if (x1 <= x0 || y1 <= y0 || !country.code) continue;
      const tint = Math.min(3, Math.floor(Math.sqrt(Number(country.streams) / most) * 4));
      const chosen = country.code === view.code ? " chosen" : "";
      const tile = svg.append("g").attr("class", `tile tile-${tint}${chosen}`).attr("data-code", country.code);
      tile.attr("transform", `translate(${x0},${y0})`).on("click", () => choose(country.code));
      tile.append("rect").attr("width", x1 - x0).attr("height", y1 - y0).attr("rx", 2);
      tile.append("title").text(`${country.name}: ${number(country.streams)} streams, ${percent(country.streams, total)}`);
      labelled(tile, country, x1 - x0, y1 - y0);
    }
    // The chosen one above the others, so that its frame is whole.
    svg.selectAll(".chosen").raise();
    return svg.node();
  }

  /** As much of name and share as fits the tile. */
  function labelled(tile, country, width, height) {
    const fits = (text) => text.length * 7.6 + 12 <= width;
    const name = [country.name, country.code].find(fits);
    if (!name || height < 20) return;
    tile.append("text").attr("class", "name").attr("x", 6).attr("y", 16).text(name);
    const share = percent(country.streams, total);
    if (height >= 38 && fits(share)) tile.append("text").attr("x", 6).attr("y", 32).text(share);
  }

  // ---- sections

  function showHeading() {
    const [first, last] = [figures.days[0], figures.days[figures.days.length - 1]];
    const range = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...long });
    const span = range.formatRange(new Date(`${first}T00:00:00Z`), new Date(`${last}T00:00:00Z`));
    byId("heading").textContent = span;
    document.title = `Streams, ${span}`;
    const missing = figures.days.filter((_, at) => !stored[at]);
    byId("lede").textContent = missing.length
      ? `${days(missing.length)} of ${figures.days.length} not stored: ${missing.map(dayAndMonth).join(", ")}. All figures are without them.`
      : `${days(figures.days.length)}, all stored.`;
  }

  function rejectedRows() {
    if (rejected === null) return ["unknown", "a day was imported from tables without them"];
    const rows = sum([total, rejected]);
    return [number(rejected), `${percent(rejected, rows)} of ${number(rows)} rows`];
  }

  function showTotals() {
    const week = earlier[1];
    const change = growth(total, week.streams);
    const against =
      change === null ? "no window a week earlier to compare with" : `${signed(change)} against the window to ${dayAndMonth(week.end)}`;
    const first = countries[0];
    const tiles = [
      ["Streams", number(total), against],
      ["A day", number(Math.round(Number(total) / Math.max(stored.filter(Boolean).length, 1))), "streams on average"],
      ["Countries", number(countries.length), first ? `${first.name} has ${percent(first.streams, total)}` : "none has a stream"],
      ["Rejected rows", ...rejectedRows()],
    ];
    const tile = ([name, value, more]) => el("div", {}, el("dt", {}, name), el("dd", {}, value), el("dd", {}, more));
    byId("totals").append(...tiles.map(tile));
  }

  function showDays() {
    const streams = [{ name: "streams", css: "bar", counts: daily.map((day) => day && day.streams) }];
    const readOut = (counts) =>
      figures.days.map((day, at) => `${dayAndMonth(day)} ${counts[at] === null ? (stored[at] ? "unknown" : "not stored") : number(counts[at])}`).join(", ");
    drawn(byId("streams-chart"), (width) =>
      columns(width, `Streams a day: ${readOut(streams[0].counts)}`, streams, (at) => short(daily[at].streams)),
    );
    const reasons = figures.reasons
      .map((reason, at) => ({
        name: reasonNames[reason] ?? reason,
        css: `reason-${at}`,
        counts: daily.map((day) => day?.rejects?.[at] ?? null),
      }))
      .filter((reason) => sum(reason.counts) > 0);
    for (const { name, css } of reasons) {
      byId("reasons").append(el("li", { class: css }, el("i"), name));
    }
    const all = daily.map(rejectedOn);
    const share = (at) => (all[at] === null ? "unknown" : percent(all[at], sum([all[at], daily[at].streams])));
    drawn(byId("rejects-chart"), (width) =>
      columns(width, `Rejected rows a day: ${readOut(all)}`, reasons, share),
    );
    showDaysTable(reasons, all);
  }

  function showDaysTable(reasons, all) {
    const heads = ["Day", "Streams", "Rejected", ...reasons.map((reason) => reason.name)];
    const row = (day, at) => {
      const counts = [daily[at]?.streams, all[at], ...reasons.map((reason) => reason.counts[at])];
      const cells = stored[at]
        ? counts.map((count) => el("td", {}, count === null ? "unknown" : number(count)))
        : [el("td", { colspan: counts.length }, "not stored")];
      return el("tr", {}, el("th", { scope: "row" }, fullDay(day)), ...cells);
    };
    byId("days-table").append(
      el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, ...figures.days.map(row)),
    );
  }

  const countryColumns = [
    { key: "name", head: "Country", value: (country) => country.name },
    { key: "streams", head: "Streams", css: "num", value: (country) => country.streams },
    { key: "share", head: "Share", css: "num wide-only", value: (country) => country.streams },
    { key: "growth", head: "Week", css: "num", value: (country) => country.growth ?? -Infinity },
  ].filter((column) => column.key !== "growth" || earlier[1].streams !== null);

  function showCountriesHead() {
    for (const { key, head, css } of countryColumns) {
      const button = el("button", { type: "button" }, head);
      if (key === "growth") button.append(unseen(" against a week earlier"));
      button.addEventListener("click", () => {
        view.down = view.sort === key ? !view.down : key !== "name";
        view.sort = key;
        showCountries();
      });
      byId("countries-head").append(el("th", { scope: "col", class: css ?? null, "data-key": key }, button));
    }
    byId("countries-head").append(el("th", { scope: "col", class: "num wide-only" }, "Each day"));
  }

  function showCountries() {
    const column = countryColumns.find((one) => one.key === view.sort);
    const way = view.down ? -1 : 1;
    const sorted = [...countries].sort((one, other) => way * compare(column.value(one), column.value(other)) || byStreams(one, other));
    byId("countries-body").replaceChildren(...sorted.map(countryRow));
    for (const head of byId("countries-head").querySelectorAll("[data-key]")) {
      if (head.dataset.key === view.sort) head.setAttribute("aria-sort", view.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  function countryRow(country) {
    const button = el("button", { type: "button" }, country.name);
    const row = el("tr", { "data-code": country.code, "aria-current": country.code === view.code ? "true" : null });
    row.append(
      el("th", { scope: "row" }, button),
      el("td", { class: "num" }, number(country.streams)),
      el("td", { class: "num wide-only" }, percent(country.streams, total)),
    );
    if (earlier[1].streams !== null) row.append(el("td", { class: "num" }, growthOf(country)));
    row.append(el("td", { class: "wide-only" }, spark(country.series)));
    row.addEventListener("click", () => choose(country.code));
    return row;
  }

  function growthOf({ growth }) {
    if (growth === null) return el("span", { class: "unknown" }, seenOnly("\u2013"), unseen("no data"));
    return el("span", { class: growth > 0 ? "up" : growth < 0 ? "down" : "same" }, signed(growth));
  }

  function showSongsHead() {
    const ends = earlier.map((window, at) => (window.end ? `vs ${dayAndMonth(window.end)}` : ["vs day", "vs week"][at]));
    const heads = [
      ["rank", "#", "rank"],
      ["song", "Song"],
      ["streams", "Streams"],
      ["change", ends[0], "rank against the window that ended then"],
      ["change", ends[1], "rank against the window that ended then"],
      ["each-day num", "Each day"],
    ];
    for (const [css, head, more] of heads) {
      const cell = el("th", { scope: "col", role: "columnheader", class: css }, el("span", {}, head));
      if (more) cell.append(unseen(` ${more}`));
      byId("songs-head").append(cell);
    }
    const notes = earlier.map((window, at) => {
      const what = at === 0 ? "a day earlier" : "a week earlier";
      if (window.streams === null) return `There is no whole window that ended ${what}, hence the dashes.`;
      const lacks = window.lacking.length ? `, without ${days(window.lacking.length)} that are not stored` : "";
      return `vs ${dayAndMonth(window.end)}: the rank in the ${days(figures.days.length)} that ended ${what}${lacks}.`;
    });
    byId("notes").textContent = `${notes.join(" ")} “new” was not among the first ${figures.top} then.`;
    return ends;
  }

  /** How the rank changed, for eyes and for ears. */
  function change(rank, before) {
    if (before < 0) return el("span", { class: "unknown" }, seenOnly("\u2013"), unseen("no data"));
    if (before === 0) return el("span", { class: "new" }, "new");
    if (before > rank) return el("span", { class: "up" }, seenOnly(`▲ ${before - rank}`), unseen(`up ${before - rank}`));
    if (before < rank) return el("span", { class: "down" }, seenOnly(`▼ ${rank - before}`), unseen(`down ${rank - before}`));
    return el("span", { class: "same" }, seenOnly("="), unseen("unchanged"));
  }

  /** Without case and accents. */
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

  let ends = [];

  function songRow(song, most) {
    const name = song.title
      ? [el("bdi", { class: "title" }, song.title), song.artist ? el("bdi", { class: "artist" }, ` ${song.artist}`) : null, el("span", { class: "id" }, ` ${song.id}`)]
      : [el("bdi", { class: "title" }, song.id), song.artist ? el("bdi", { class: "artist" }, ` ${song.artist}`) : null];
    const bar = el("div");
    bar.style.width = `${(Number(song.streams) / most) * 100}%`;
    const cell = (css, ...children) => el("td", { role: "cell", class: css }, ...children);
    const row = el("tr", { role: "row" });
    row.append(
      cell("rank", String(song.rank)),
      el("th", { scope: "row", role: "rowheader", class: "song" }, ...name),
      cell("streams", el("div", {}, el("b", {}, number(song.streams)), el("div", { class: "track", "aria-hidden": "true" }, bar))),
    );
    song.ranks.forEach((before, at) => {
      const changed = cell("change", change(song.rank, before));
      changed.dataset.label = ends[at];
      row.append(changed);
    });
    row.append(cell("each-day", spark(song.series)));
    return row;
  }

  function showSongs() {
    const country = countryOf.get(view.code);
    if (!country) {
      byId("songs-heading").textContent = "No country has a stream";
      return;
    }
    const songs = songsOf(country);
    byId("songs-heading").textContent = `Top ${songs.length} in ${country.name}`;
    const against = country.growth === null ? "" : `, ${signed(country.growth)} against a week earlier`;
    byId("songs-lede").textContent = `${number(country.streams)} streams, ${percent(country.streams, total)} of all${against}`;
    const sought = plain(view.filter.trim());
    const found = songs.filter((song) => [song.id, song.title, song.artist].some((text) => plain(text).includes(sought)));
    const most = Number(songs[0]?.streams ?? 1);
    byId("songs-body").replaceChildren(...found.map((song) => songRow(song, most)));
    byId("nothing").hidden = found.length > 0;
    byId("found").textContent = sought ? `${found.length} of ${songs.length} songs match` : "";
  }

  // ---- choosing

  let drawTreemap = () => {};

  function choose(code) {
    if (!countryOf.has(code) || code === view.code) return;
    view.code = code;
    byId("country").value = code;
    for (const row of byId("countries-body").children) {
      if (row.dataset.code === code) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
    drawTreemap();
    showSongs();
    // Shared as a link, the page opens at the same country.
    history.replaceState(null, "", `#country=${code}`);
  }

  const codeOfLink = () => /^#country=([A-Z]{2})$/.exec(location.hash)?.[1];

  function showControls() {
    const named = [...countries].sort((one, other) => one.name.localeCompare(other.name, "en"));
    const option = ({ code, name }) => el("option", { value: code }, code === name ? name : `${name} (${code})`);
    byId("country").append(...named.map(option));
    byId("country").addEventListener("change", (event) => choose(event.target.value));
    byId("filter").addEventListener("input", (event) => {
      view.filter = event.target.value;
      showSongs();
    });
    window.addEventListener("hashchange", () => choose(codeOfLink()));
    for (const radio of document.querySelectorAll("[name=theme]")) {
      radio.addEventListener("change", () => {
        if (radio.value) document.documentElement.dataset.theme = radio.value;
        else delete document.documentElement.dataset.theme;
      });
    }
  }

  showHeading();
  showTotals();
  showDays();
  const linked = codeOfLink();
  view.code = countryOf.has(linked) ? linked : (countries[0]?.code ?? null);
  showControls();
  byId("country").value = view.code ?? "";
  showCountriesHead();
  showCountries();
  drawTreemap = drawn(byId("treemap"), treemap);
  ends = showSongsHead();
  showSongs();
})();
