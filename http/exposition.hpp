// The engine's numbers, the store's and the process's, as families of the Prometheus client. Called for a scrape.
#pragma once

#include <prometheus/metric_family.h>

#include <holdfast/options.hpp>
#include <holdfast/stats.hpp>
#include <string>
#include <vector>

namespace holdfast::http {

using Families = std::vector<prometheus::MetricFamily>;

[[nodiscard]] prometheus::MetricFamily family(std::string name, std::string help, prometheus::MetricType type);
[[nodiscard]] prometheus::MetricFamily counter(std::string name, std::string help, double value);
[[nodiscard]] prometheus::MetricFamily gauge(std::string name, std::string help, double value);
// Adds the series of one distribution.
[[nodiscard]] prometheus::ClientMetric& add(prometheus::MetricFamily& into, const Distribution& distribution);

void add_engine(Families& out, const EngineStats& stats, const Limits& limits);
// Of this process, under the names that Prometheus' own clients use.
void add_process(Families& out);

}  // namespace holdfast::http
