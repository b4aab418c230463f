// quire ls: the objects of a bucket.
#include <chrono>
#include <memory>
#include <string>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/places.hpp"
#include "cli/wording.hpp"

namespace quire::cli {
namespace {

struct Arguments {
  std::string place;
  bool recursive = false;
};

// As ISO 8601; servers do not say more than seconds.
std::string time_text(std::chrono::sys_seconds time) {
  return utc_time(
      static_cast<std::uint64_t>(std::chrono::nanoseconds(time.time_since_epoch()).count()));
}

void print_page(const S3Page& page, const Settings& settings) {
  for (const std::string& prefix : page.prefixes) {
    if (settings.json) {
      print_json({{"prefix", prefix}});
    } else {
      print_line("{:>20}  {:>14}  {}", "", "", one_line(prefix));
    }
  }
  for (const S3Object& object : page.objects) {
    if (settings.json) {
      print_json({{"key", object.key},
                  {"bytes", object.size},
                  {"etag", object.etag},
                  {"modified", time_text(object.modified)}});
    } else {
      print_line("{:>20}  {:>14}  {}", time_text(object.modified), grouped(object.size),
                 one_line(object.key));
    }
  }
}

Outcome<> list(const Arguments& arguments, const Settings& settings) {
  if (!is_s3(arguments.place)) {
    return fail(kWrongUsage, fmt::format("ls: {} is no s3:// place", shown(arguments.place)));
  }
  bool is_empty = true;
  QUIRE_CHECK(list_s3(arguments.place, {.delimiter = arguments.recursive ? "" : "/"}, settings,
                      [&](const S3Page& page) -> Outcome<> {
                        is_empty = is_empty && page.objects.empty() && page.prefixes.empty();
                        print_page(page, settings);
                        return {};
                      }));
  if (!is_empty) return {};
  return fail(kFailed, fmt::format("ls {}: not_found: nothing there begins so", arguments.place));
}

Run declare(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_file(app, "URL", arguments->place, "s3://BUCKET/ and how the keys begin");
  add_flag(app, "--recursive", arguments->recursive,
           "Also what has more slashes behind that (else only how it begins)");
  return [arguments](const Settings& settings) { return list(*arguments, settings); };
}

}  // namespace

Command ls_command() {
  return {"Copy", "ls", "List the objects of an S3 bucket",
          "Time of the last change (UTC), bytes and key of each; a key that goes on behind the\n"
          "next slash is shown up to it, as a folder is. With --json a line of JSON each.\n"
          "Nothing there gives exit status 1.\n\n"
          "Example:\n"
          "  quire ls s3://data/photos/",
          declare};
}

}  // namespace quire::cli
