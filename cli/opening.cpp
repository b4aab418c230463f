#include "cli/opening.hpp"

#include <fmt/format.h>

#include "base/try.hpp"
#include "cli/output.hpp"
#include "cli/wording.hpp"

namespace quire::cli {

void tell_recovery(const std::string& directory, const RecoveryReport& report) {
  std::string done;
  const auto add = [&done](const std::string& part) { done += (done.empty() ? "" : ", ") + part; };
  if (report.replayed_batches > 0) {
    add(fmt::format(
        "{} replayed from the log",
        report.replayed_batches == 1 ? "1 batch" : grouped(report.replayed_batches) + " batches"));
  }
  if (report.dropped_bytes > 0) {
    add(fmt::format("{} of {} dropped that were never acknowledged as durable",
                    counted(report.dropped_bytes, "byte"), report.dropped_from));
  }
  if (!report.removed_files.empty()) {
    add(fmt::format("{} removed", counted(report.removed_files.size(), "unfinished file")));
  }
  if (!done.empty()) print_error(fmt::format("recovered {}: {}", directory, done));
}

Outcome<VectorStore> open_for_reading(const std::string& directory) {
  return from_store(VectorStore::open_read_only(directory));
}

Outcome<VectorStore> open_for_writing(const std::string& directory) {
  QUIRE_TRY(VectorStore store, from_store(VectorStore::open(directory)));
  tell_recovery(directory, store.recovery());
  return store;
}

}  // namespace quire::cli
