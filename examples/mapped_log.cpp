// An append-only log in a mapped file that grows.
//
//     mapped_log LOGFILE              prints the log
//     mapped_log LOGFILE some words   appends a line, and returns when it is durable
//
// The file: 8 bytes, how many bytes of text are valid, then the text. The count is stored and flushed
// after the text, so a power cut leaves the line out or leaves it whole, and never a part of it.
#include <quire/mapped_file.hpp>

#include <algorithm>
#include <cstdint>
#include <expected>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace {

constexpr std::uint64_t kHeader = sizeof(std::uint64_t);
constexpr std::uint64_t kGrowth = std::uint64_t{64} << 10;

class Log {
 public:
  static quire::Result<Log> open(const std::string& path) {
    auto file = quire::MappedFile::open_or_create(path, kGrowth);
    if (!file) return std::unexpected(file.error());
    // The count is only as good as the file: one that points past the end would be found here.
    auto count = file->view_as<std::uint64_t>(0, 1);
    if (!count) return std::unexpected(count.error());
    auto lines = file->bytes(kHeader, count->front());
    if (!lines) return std::unexpected(lines.error());
    return Log(*std::move(file), count->front());
  }

  // Valid until the log is destroyed, however much is appended meanwhile: growing moves nothing.
  quire::Result<std::string_view> lines() const {
    auto bytes = file_.bytes(kHeader, used_);
    if (!bytes) return std::unexpected(bytes.error());
    return std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }

  quire::Result<void> append(std::string_view line) {
    const std::uint64_t end = kHeader + used_;
    if (end + line.size() > file_.size()) {
      if (auto grown = file_.grow(end + std::max<std::uint64_t>(kGrowth, line.size())); !grown) {
        return grown;  // the disk is full: the log is as it was
      }
    }
    // A copy and not a span: if another process cut the file, this returns an error.
    if (auto put = file_.write(end, std::as_bytes(std::span(line))); !put) return put;
    if (auto durable = file_.flush(); !durable) return durable;

    const std::uint64_t used = used_ + line.size();
    if (auto put = file_.write(0, std::as_bytes(std::span(&used, 1))); !put) return put;
    used_ = used;
    return file_.flush_range({0, kHeader});
  }

 private:
  Log(quire::MappedFile file, std::uint64_t used) : file_(std::move(file)), used_(used) {}

  quire::MappedFile file_;
  std::uint64_t used_;
};

int fail(const quire::Error& error) {
  std::cerr << error.message() << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: mapped_log LOGFILE [WORD...]\n";
    return 2;
  }
  auto log = Log::open(argv[1]);
  if (!log) return fail(log.error());

  if (argc == 2) {
    auto lines = log->lines();
    if (!lines) return fail(lines.error());
    std::cout << *lines;
    return 0;
  }
  std::string line;
  for (int i = 2; i < argc; ++i) line += std::string(argv[i]) + (i + 1 < argc ? " " : "\n");
  if (auto appended = log->append(line); !appended) return fail(appended.error());
  return 0;
}
