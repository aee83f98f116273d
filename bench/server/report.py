"""What was measured, as a table and as JSON: medians of the rounds, ratios that are above 1 where ours is better."""
import json
import pathlib
import statistics


class Report:
    def __init__(self):
        self.rows = {}  # (workload, metric) -> (higher is better, {name: [values]}), in the order of first sight

    def add(self, workload, name, measured):
        """`measured`: metric -> value. What is counted by the second is better when higher, all else when lower."""
        for metric, value in measured.items():
            self.rows.setdefault((workload, metric), (metric.endswith("/s"), {}))[1].setdefault(name, []).append(value)

    def table(self, ours, peer):
        for (workload, metric), (higher, values) in self.rows.items():
            mine, theirs = (statistics.median(values[name]) for name in (ours, peer))
            over, under = (mine, theirs) if higher else (theirs, mine)
            ratio = 1.0 if over == under else over / under if under else None
            yield workload, metric, mine, theirs, ratio, values[ours], values[peer]

    def print_markdown(self, ours, peer):
        print(f"| workload | metric | {ours} | {peer} | ratio |\n|---|---|--:|--:|--:|")
        for workload, metric, mine, theirs, ratio, all_mine, all_theirs in self.table(ours, peer):
            shown = "-" if ratio is None else f"{ratio:.2f}"
            values = f"{short(mine)}{spread(all_mine)} | {short(theirs)}{spread(all_theirs)}"
            print(f"| {workload} | {metric} | {values} | {shown} |")

    def write_json(self, path, ours, peer):
        rows = [{"workload": workload, "peer": peer, "metric": metric, "ours": mine, "theirs": theirs, "ratio": ratio}
                for workload, metric, mine, theirs, ratio, _, _ in self.table(ours, peer)]
        pathlib.Path(path).write_text(json.dumps(rows, indent=1) + "\n")


def short(value):
    if value >= 1e4:
        return f"{value / 1e6:.3f} M" if value >= 1e6 else f"{value / 1e3:.1f} k"
    return f"{value:.0f}" if value >= 1e3 else f"{value:.3g}"


def spread(values):
    middle = statistics.median(values)
    return f" ±{(max(values) - min(values)) / 2 / middle * 100:.0f} %" if len(values) > 1 and middle else ""
