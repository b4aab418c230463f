// ByteSink: writes an object from its first byte to its last; it appears whole, or not at all.
//
// Use it for files that others must never see half written.
//
//     auto sink = quire::open_file_sink("report.bin");
//     if (!sink) return report(sink.error());
//     if (auto done = (*sink)->append(bytes); !done) return report(done.error());
//     if (auto done = (*sink)->commit(); !done) return report(done.error());   // now it is there
//
// A sink that is dropped before commit() leaves what was there before. So does a power cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/if_exists.hpp"

namespace quire {
inline namespace v0 {

// Single-thread. After an error of the place every later call returns that error again, and the object
// is what it was, but for outcome_unknown; see commit().
class QUIRE_EXPORT ByteSink {
 public:
  // Drops what was appended, unless it was committed.
  virtual ~ByteSink();
  ByteSink(const ByteSink&) = delete;
  ByteSink& operator=(const ByteSink&) = delete;

  // The path or URL, without secrets; for messages.
  const std::string& name() const noexcept { return name_; }
  // Bytes appended so far.
  std::uint64_t size() const noexcept { return size_; }

  // Adds bytes at the end; they are copied or written before it returns.
  // Errors: no_space, capacity (larger than the place allows), io, closed (committed), and what the
  // place adds.
  [[nodiscard]] Result<void> append(std::span<const std::byte> bytes);

  // Makes the object appear, whole and durable. Nothing may follow.
  // Errors: as append; exists (with IfExists::fail, someone was first); outcome_unknown (it is there, or
  // will be after the next power cut or not: the last step could not be confirmed).
  [[nodiscard]] Result<void> commit();

 protected:
  // For those who write a sink. Called in order, and not after an error or do_commit.
  explicit ByteSink(std::string name);
  virtual Result<void> do_append(std::span<const std::byte> bytes) = 0;
  virtual Result<void> do_commit() = 0;

 private:
  Result<void> check_open(const char* operation) const;
  Result<void> remember(Result<void> result);

  const std::string name_;
  std::uint64_t size_ = 0;
  bool is_committed_ = false;
  std::optional<Error> failure_;
};

struct FileSinkOptions {
  IfExists if_exists = IfExists::replace;
};

// A file. The bytes go to a new file beside, `<path>.quire-partial` (or .quire-partial-1, … while another sink works
// on the first); commit() syncs it, renames it and syncs the directory. A symbolic link stays, and what
// it leads to is replaced; a replaced file's permissions are kept. What a killed process left beside is
// removed by the next sink to the same path.
// Errors: exists (with IfExists::fail), not_found (no directory), permission, no_space, io,
// invalid_argument (an empty path, a directory or special file).
[[nodiscard]] QUIRE_EXPORT Result<std::unique_ptr<ByteSink>> open_file_sink(
    const std::string& path, const FileSinkOptions& options = {});

}  // namespace v0
}  // namespace quire
