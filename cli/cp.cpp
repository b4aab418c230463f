// quire cp: an object copied between files, web servers and S3.
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/download.hpp"
#include "cli/interrupt.hpp"
#include "cli/opening.hpp"
#include "cli/output.hpp"
#include "cli/places.hpp"
#include "cli/progress.hpp"
#include "cli/wording.hpp"

namespace quire::cli {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{32} << 20;
// What is shorter is copied at once; what is longer goes on where it was when it is started again.
constexpr std::uint64_t kResumedBytes = std::uint64_t{32} << 20;

struct Arguments {
  std::string from;
  std::string to;
  bool no_replace = false;
  bool verify = false;
  std::uint64_t abort_idle = kAbortIdle;
};

bool is_folder(const std::string& place) {
  if (!is_url(place)) return is_directory(place);
  const std::string_view behind_scheme = std::string_view(place).substr(place.find("://") + 3);
  return place.ends_with('/') || (is_s3(place) && !behind_scheme.contains('/'));
}

// In a folder, and behind a slash, the name stays what it was.
Outcome<std::string> target_of(const Arguments& arguments) {
  if (!is_folder(arguments.to)) return arguments.to;
  // Only a web server's URL ends before "?"; files and keys are named with it.
  const bool has_query = is_url(arguments.from) && !is_s3(arguments.from);
  const std::string from =
      has_query ? arguments.from.substr(0, arguments.from.find_first_of("?#")) : arguments.from;
  const std::string name = from.substr(from.find_last_of('/') + 1);
  if (name.empty() || name == "." || name == "..") {
    return fail(kWrongUsage, fmt::format("cp: {} has no name that it could keep in {}",
                                         shown(arguments.from), shown(arguments.to)));
  }
  return arguments.to.ends_with('/') ? arguments.to + name : arguments.to + "/" + name;
}

bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return !is_url(a) && !is_url(b) && std::filesystem::equivalent(a, b, error);
}

Outcome<> copy_through(const ByteSource& source, const std::string& to, const SinkOptions& options,
                       const Settings& settings) {
  InterruptGuard interrupt;  // before there is anything to leave behind
  QUIRE_TRY(const auto sink, open_sink(to, options, settings));
  Progress progress("copying", "byte", source.size());
  for (std::uint64_t at = 0; at < source.size();) {
    QUIRE_TRY(const Bytes bytes, source.read(at, std::min(kPieceBytes, source.size() - at)));
    QUIRE_CHECK(sink->append(bytes.span()));
    at += bytes.size();
    progress.update(at);
    if (interrupt.requested()) {
      return fail(interrupt.exit_status(), "cp: interrupted; nothing was copied");
    }
  }
  QUIRE_CHECK(sink->commit());
  return {};
}

// Reads both once more.
Outcome<> compare(const ByteSource& source, const std::string& to, const Settings& settings) {
  QUIRE_TRY(const auto copy, open_once(to, settings));
  const auto differ = [&](std::uint64_t at) {
    return fail(
        kDamageFound,
        fmt::format("cp: {} is not what was copied: it differs from byte {} on", shown(to), at));
  };
  if (copy->size() != source.size()) return differ(std::min(copy->size(), source.size()));
  Progress progress("comparing", "byte", source.size());
  for (std::uint64_t at = 0; at < source.size();) {
    const std::uint64_t length = std::min(kPieceBytes, source.size() - at);
    QUIRE_TRY(const Bytes mine, source.read(at, length));
    QUIRE_TRY(const Bytes theirs, copy->read(at, length));
    const auto [a, b] = std::ranges::mismatch(mine.span(), theirs.span());
    if (a != mine.span().end()) {
      return differ(at + static_cast<std::uint64_t>(a - mine.span().begin()));
    }
    at += length;
    progress.update(at);
  }
  return {};
}

Outcome<> copy(const Arguments& arguments, const Settings& settings) {
  const auto begin = std::chrono::steady_clock::now();
  QUIRE_TRY(const std::string to, target_of(arguments));
  const IfExists if_exists = arguments.no_replace ? IfExists::fail : IfExists::replace;
  QUIRE_TRY(const auto source, open_once(arguments.from, settings));
  for (const std::string& file : {to, partial_name(to)}) {
    if (is_same_file(arguments.from, file)) {
      return fail(kWrongUsage,
                  fmt::format("cp: {} and {} are the same file", arguments.from, file));
    }
  }
  std::uint64_t fetched = source->size();
  if (!is_url(to) && source->size() > kResumedBytes) {
    QUIRE_TRY(const Downloaded done, download(*source, to, if_exists));
    fetched = done.fetched;
  } else {
    QUIRE_CHECK(copy_through(*source, to,
                             {.if_exists = if_exists,
                              .expected_bytes = source->size(),
                              .abort_idle = std::chrono::seconds(arguments.abort_idle)},
                             settings));
  }
  if (arguments.verify) QUIRE_CHECK(compare(*source, to, settings));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (settings.json) {
    print_json({{"bytes", source->size()},
                {"fetched", fetched},
                {"verified", arguments.verify},
                {"seconds", seconds}});
  } else {
    print_line("copied {} ({}) to {} in {}{}", shown(arguments.from), byte_size(source->size()),
               shown(to), duration(seconds), arguments.verify ? ", and compared them" : "");
  }
  return {};
}

Run declare(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_file(app, "SRC", arguments->from, "A file, or a URL of http, https or s3");
  add_file(app, "DST", arguments->to,
           "A file, a directory, or an s3:// URL (behind a slash: the same name)");
  add_flag(app, "--no-replace", arguments->no_replace, "Fail if DST is there already");
  add_flag(app, "--verify", arguments->verify, "Then read both again and compare them");
  add_abort_idle(app, arguments->abort_idle);
  return [arguments](const Settings& settings) { return copy(*arguments, settings); };
}

}  // namespace

Command cp_command() {
  return {
      "Copy", "cp", "Copy an object between files, web servers and S3",
      "DST appears, or is replaced, when all of it is there and durable. A copy to a file that\n"
      "is stopped or killed goes on where it was when the same command is given again (from\n"
      "32 MiB on), unless SRC changed. What goes to S3 is compared by its server.\n\n"
      "Examples:\n"
      "  quire cp photos.quire s3://data/photos.quire\n"
      "  quire cp s3://data/photos.quire . --verify",
      declare};
}

}  // namespace quire::cli
