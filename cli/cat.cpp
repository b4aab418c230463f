// quire cat: the bytes of a file or URL, or a range of them, on standard output.
#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/places.hpp"

namespace quire::cli {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{16} << 20;

struct Arguments {
  std::string place;
  std::string range;
};

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "A-B", both inside; "A-" to the end; "-N" the last N; nothing for all.
struct Wanted {
  std::optional<std::uint64_t> first;
  std::optional<std::uint64_t> last;

  // The range in an object of `size` bytes. What is not inside the source refuses.
  ByteRange in(std::uint64_t size) const {
    if (!first) {
      const std::uint64_t length = std::min(size, last.value_or(size));
      return {size - length, length};
    }
    if (!last) return {*first, size > *first ? size - *first : 0};
    return {*first, *last - *first + 1};
  }
};

Outcome<Wanted> parse_range(std::string_view text) {
  Wanted wanted;
  if (text.empty()) return wanted;
  const auto wrong = [&] {
    return fail(kWrongUsage, fmt::format("cat: --range: '{}' is none of A-B, A- and -N", text));
  };
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos || text.size() == 1) return wrong();
  const std::string_view first = text.substr(0, dash);
  const std::string_view last = text.substr(dash + 1);
  wanted.first = number_of(first);
  wanted.last = number_of(last);
  if ((!first.empty() && !wanted.first) || (!last.empty() && !wanted.last)) return wrong();
  if (wanted.first && wanted.last && (*wanted.last < *wanted.first || *wanted.last == UINT64_MAX)) {
    return wrong();
  }
  return wanted;
}

Outcome<> print(const Arguments& arguments, const Settings& settings) {
  QUIRE_TRY(const Wanted wanted, parse_range(arguments.range));
  QUIRE_TRY(const auto source, open_once(arguments.place, settings));
  const ByteRange range = wanted.in(source->size());
  // Nothing is printed of a range that is not all there.
  if (!range.fits(source->size())) QUIRE_CHECK(source->read(range.offset, range.length));
  for (std::uint64_t at = range.offset; at < range.end();) {
    const std::uint64_t length = std::min(kPieceBytes, range.end() - at);
    QUIRE_TRY(const Bytes bytes, source->read(at, length));
    print_text(bytes.text());
    at += length;
  }
  return {};
}

Run declare(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_file(app, "PLACE", arguments->place, "A file, or a URL of http, https or s3");
  add_text(app, "--range", arguments->range, "A-B",
           "Bytes A to B, both counted from 0 and inside; A- to the end, -N the last N");
  return [arguments](const Settings& settings) { return print(*arguments, settings); };
}

}  // namespace

Command cat_command() {
  return {
      "Copy", "cat", "Print the bytes of a file or URL",
      "Exactly the bytes of one version of the object, or an error: what is replaced meanwhile is "
      "`changed`.\nConnections that break are taken up again where they broke.\n\n"
      "Example: the first 8 bytes of a snapshot on a web server\n"
      "  quire cat https://data.example/photos.quire --range 0-7",
      declare};
}

}  // namespace quire::cli
