// The picture of a run: three rates over one time, and what was done to the server as bands behind them.
#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>

#include "src/cli/torture/report.hpp"

namespace holdfast::cli::torture {
namespace {

constexpr double kLeft = 76;
constexpr double kWidth = 880;
constexpr double kPanel = 96;
constexpr double kGap = 30;
constexpr double kTop = 74;
constexpr std::size_t kBins = 220;

constexpr std::array<const char*, kHarms> kColours{"#c0392b", "#8e44ad", "#d35400", "#b7950b",
                                                   "#7f8c8d", "#16a085", "#1e8449", "#2471a3"};

__attribute__((format(printf, 2, 3))) void add(std::string& out, const char* format, ...) {
  char text[1'024];
  std::va_list arguments;
  va_start(arguments, format);
  const int length = std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  out.append(text, static_cast<std::size_t>(std::clamp(length, 0, static_cast<int>(sizeof text) - 1)));
}

struct Panel {
  const char* name;
  std::vector<double> rate = std::vector<double>(kBins, 0);  // a second
};

// A round number at or above `value`: 1, 2 or 5 times a power of ten.
double round_up(double value) {
  double step = std::pow(10, std::floor(std::log10(std::max(value, 1.0))));
  for (const double factor : {1.0, 2.0, 5.0, 10.0})
    if (step * factor >= value) return step * factor;
  return step * 10;
}

class Picture {
 public:
  explicit Picture(const Report& report) : report_(report), end_us_(std::max(1.0, report.harm_seconds * 1e6)) {
    for (const auto& o : report.history.operations) count(o);
  }

  std::string draw() {
    const double height = kTop + 3 * (kPanel + kGap) + 24;
    add(out_, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" font-family=\"sans-serif\" ",
        kLeft + kWidth + 24, height);
    add(out_, "font-size=\"12\" fill=\"#333\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n");
    add(out_, "<text x=\"%g\" y=\"22\" font-size=\"15\">holdfast torture, seed %llu: %s</text>\n", kLeft,
        static_cast<unsigned long long>(report_.seed),
        report_.verdict.violations.empty() ? "the server kept its word" : "a promise was broken");
    legend();
    bands();
    double y = kTop;
    for (const auto& panel : panels_) {
      draw_panel(panel, y);
      y += kPanel + kGap;
    }
    add(out_, "<text x=\"%g\" y=\"%g\" text-anchor=\"end\">%.0f s</text>\n", kLeft + kWidth, height - 12,
        end_us_ / 1e6);
    add(out_, "<text x=\"%g\" y=\"%g\">0 s</text>\n</svg>\n", kLeft, height - 12);
    return std::move(out_);
  }

 private:
  void count(const Operation& o) {
    if (o.outcome != Outcome::ok || static_cast<double>(o.end_us) > end_us_) return;
    const auto which = o.kind == Kind::admit ? 0 : o.kind == Kind::complete ? 1 : o.kind == Kind::read ? 2 : 3;
    if (which == 3) return;
    const auto bin = std::min(kBins - 1, static_cast<std::size_t>(static_cast<double>(o.end_us) / end_us_ * kBins));
    const double amount = which == 2 ? static_cast<double>(o.seen.size()) : 1;
    panels_[static_cast<std::size_t>(which)].rate[bin] += amount * kBins / (end_us_ / 1e6);
  }

  [[nodiscard]] double x_of(std::int64_t at_us) const {
    return kLeft + kWidth * std::clamp(static_cast<double>(at_us) / end_us_, 0.0, 1.0);
  }

  void legend() {
    double x = kLeft;
    const auto entry = [&](const char* colour, double opacity, std::string_view name) {
      add(out_, "<rect x=\"%g\" y=\"38\" width=\"12\" height=\"12\" fill=\"%s\" fill-opacity=\"%g\"/>", x, colour,
          opacity);
      add(out_, "<text x=\"%g\" y=\"48\">%.*s</text>\n", x + 17, static_cast<int>(name.size()), name.data());
      x += 38 + 7.0 * static_cast<double>(name.size());
    };
    for (std::size_t harm = 0; harm < kHarms; ++harm) entry(kColours[harm], 0.35, name_of(static_cast<Harm>(harm)));
    entry("#000", 0.8, "no server");
  }

  void bands() {
    const double height = 3 * (kPanel + kGap) - kGap;
    for (const auto& d : report_.done) {
      const double x = x_of(d.begin_us);
      add(out_, "<rect x=\"%.1f\" y=\"%g\" width=\"%.1f\" height=\"%g\" fill=\"%s\" fill-opacity=\"0.25\">", x, kTop,
          std::max(1.5, x_of(d.end_us) - x), height, kColours[static_cast<std::size_t>(d.harm)]);
      add(out_, "<title>%.2f s: %s, %s</title></rect>\n", static_cast<double>(d.begin_us) / 1e6,
          std::string(name_of(d.harm)).c_str(), d.what.c_str());
    }
    for (const auto& r : report_.restarts) {
      const double x = x_of(r.down_us);
      add(out_, "<rect x=\"%.1f\" y=\"%g\" width=\"%.1f\" height=\"5\" fill=\"#000\" fill-opacity=\"0.8\">", x,
          kTop - 8, std::max(1.5, x_of(r.ready_us) - x));
      add(out_, "<title>ready again after %.2f s</title></rect>\n", static_cast<double>(r.ready_us - r.down_us) / 1e6);
    }
  }

  void draw_panel(const Panel& panel, double y) {
    const double top = round_up(*std::max_element(panel.rate.begin(), panel.rate.end()));
    add(out_, "<text x=\"%g\" y=\"%g\" font-size=\"13\">%s</text>\n", kLeft + 6, y + 15, panel.name);
    for (const double part : {0.0, 0.5, 1.0}) {
      const double at = y + kPanel * (1 - part);
      add(out_, "<line x1=\"%g\" x2=\"%g\" y1=\"%g\" y2=\"%g\" stroke=\"#ccc\" stroke-width=\"%g\"/>", kLeft,
          kLeft + kWidth, at, at, part == 0 ? 1.2 : 0.6);
      add(out_, "<text x=\"%g\" y=\"%g\" text-anchor=\"end\">%g</text>\n", kLeft - 8, at + 4, top * part);
    }
    out_ += "<polyline fill=\"none\" stroke=\"#222\" stroke-width=\"1.4\" points=\"";
    for (std::size_t bin = 0; bin < kBins; ++bin)
      add(out_, "%.1f,%.1f ", kLeft + kWidth * (static_cast<double>(bin) + 0.5) / kBins,
          y + kPanel * (1 - panel.rate[bin] / top));
    out_ += "\"/>\n";
  }

  const Report& report_;
  const double end_us_;  // of the picture: while harm was done
  std::array<Panel, 3> panels_{Panel{"messages admitted a second"}, Panel{"turns completed a second"},
                               Panel{"events read a second"}};
  std::string out_;
};

}  // namespace

std::string to_svg(const Report& report) { return Picture(report).draw(); }

}  // namespace holdfast::cli::torture
