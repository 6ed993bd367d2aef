/// The report's style sheet: one column on a phone, three on a desk, light or dark as the reader's system is.
let reportStyle = """
    :root { color-scheme: light dark;
      --page: #fbfaf7; --ink: #1d1f21; --soft: #6b6f76; --rule: #e4e1da; --card: #ffffff; --warn: #9a4a00; --warnback: #fdf1e3;
      --c0: #2463c5; --c1: #cf5f17; --c2: #2d8a57; --c3: #8a4bb3; }
    @media (prefers-color-scheme: dark) { :root {
      --page: #131518; --ink: #e6e4df; --soft: #969aa1; --rule: #2a2d32; --card: #1a1d21; --warn: #f0b37a; --warnback: #2e2417;
      --c0: #74a6f7; --c1: #f1955b; --c2: #68c795; --c3: #c79be6; } }
    * { box-sizing: border-box; }
    body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 72rem; background: var(--page); color: var(--ink);
      font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
    h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.015em; overflow-wrap: anywhere; }
    h2 { margin: 2.6rem 0 0.9rem; font-size: 1.1rem; letter-spacing: 0.01em; }
    .lead { margin: 0.35rem 0 0; color: var(--soft); }
    dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 9.5rem), 1fr)); gap: 1.1rem 1.5rem;
      margin: 1.8rem 0 0; padding: 1.2rem 0; border-top: 1px solid var(--rule); border-bottom: 1px solid var(--rule); }
    dt { color: var(--soft); font-size: 0.82rem; }
    dd { margin: 0; font-size: 1.12rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
    .warnings { margin: 1.5rem 0 0; padding: 0.9rem 1.1rem 0.9rem 2.2rem; border-radius: 8px; background: var(--warnback);
      color: var(--warn); }
    .warnings li + li { margin-top: 0.4rem; }
    .charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
    figure { margin: 0; }
    .chart { padding: 0.8rem 0.8rem 0.4rem; border: 1px solid var(--rule); border-radius: 10px; background: var(--card); }
    .chart figcaption { display: flex; flex-wrap: wrap; gap: 0.1rem 0.9rem; align-items: baseline; margin: 0 0.2rem 0.4rem;
      font-size: 0.86rem; }
    .chart .title { margin-right: auto; font-weight: 600; }
    .key { color: var(--soft); white-space: nowrap; font-variant-numeric: tabular-nums; }
    .key b { color: var(--ink); font-weight: 500; }
    .key i { display: inline-block; width: 0.85em; height: 0.2em; margin-right: 0.4em; border-radius: 1px;
      vertical-align: middle; background: currentColor; }
    svg { display: block; width: 100%; height: auto; }
    .axis line { stroke: var(--rule); stroke-width: 1; }
    .axis text { fill: var(--soft); font-size: 10.5px; font-variant-numeric: tabular-nums; }
    .line { fill: none; stroke: currentColor; stroke-width: 1.7; stroke-linejoin: round; stroke-linecap: round; }
    .raw { fill: none; stroke: currentColor; stroke-width: 0.8; opacity: 0.28; }
    .band { fill: currentColor; stroke: none; opacity: 0.2; }
    circle { fill: currentColor; }
    .c0 { color: var(--c0); } .c1 { color: var(--c1); } .c2 { color: var(--c2); } .c3 { color: var(--c3); }
    .strip { margin-bottom: 1.4rem; }
    .strip img { display: block; max-width: 100%; height: auto; border-radius: 4px; }
    .strip figcaption { margin-bottom: 0.4rem; color: var(--soft); font-size: 0.86rem; font-variant-numeric: tabular-nums; }
    pre { margin: 0; padding: 1rem 1.1rem; overflow-x: auto; border: 1px solid var(--rule); border-radius: 10px;
      background: var(--card); font: 0.82rem/1.55 ui-monospace, "SF Mono", Menlo, Consolas, monospace; tab-size: 4; }
    @media (max-width: 30rem) { body { padding: 1.5rem 1rem 3rem; } h1 { font-size: 1.5rem; }
      dl { grid-template-columns: 1fr 1fr; gap: 0.9rem 1rem; } }
    @media print { body { max-width: none; } .chart, .strip { break-inside: avoid; } }

    """
