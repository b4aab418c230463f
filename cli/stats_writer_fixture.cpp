// A writer for cli_stats_test.py, which decides what it publishes: stats_writer_fixture DIR
//
// Holds the lock of the store in DIR. After "ready" it reads lines: a number of puts of 85 µs each, which it
// counts, publishes and answers with "ok"; or "nothing", which takes back what it published.
#include <cstdint>
#include <iostream>
#include <string>

#include "os/file_system.hpp"
#include "vector/control_page.hpp"
#include "vector/metrics.hpp"
#include "vector/writer_lock.hpp"

int main(int count, char** words) {
  using namespace quire;
  if (count != 2) return 2;
  const auto lock = vector::take_writer_lock(os::real_file_system(), words[1]).value();
  vector::clear_control_page(*lock).value();
  std::cout << "ready\n" << std::flush;
  vector::StoreMetrics metrics;
  std::uint64_t puts = 0;
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "nothing") {
      vector::clear_control_page(*lock).value();
    } else {
      const std::uint64_t more = std::stoull(line);
      for (std::uint64_t i = 0; i < more; ++i) metrics.put.record(85'000);
      metrics.batches.add(more);
      metrics.puts.add(more);
      puts += more;
      const StoreGauges gauges{.rows = puts, .dead_rows = 0, .lsn = puts};
      vector::write_metrics_block(*lock, to_json(metrics.snapshot(gauges))).value();
    }
    std::cout << "ok\n" << std::flush;
  }
}
