// quire: the command line of the library. See docs/command.md.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstring>
#include <exception>
#include <new>
#include <utility>
#include <vector>

#include "cli/command.hpp"
#include "cli/output.hpp"
#include "quire/version.hpp"

namespace quire::cli {
namespace {

constexpr auto kHelp =
    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 damage found, 128 + signal interrupted.\n"
    "`quire COMMAND --help` tells more about each command.\n\n"
    "Example:\n"
    "  quire import photos data/base_10k.bvecs && quire info photos";

struct Declared {
  CLI::App* app;
  Run run;
};

// Adds `command`, and those below it, to `parent`; `declared` gets each that can be run.
void declare(CLI::App& parent, const Command& command, Settings& settings,
             std::vector<Declared>& declared) {
  CLI::App* app = parent.add_subcommand(command.name, command.summary);
  app->group(command.group);
  app->footer(command.help);
  if (command.declare == nullptr) {
    app->require_subcommand(1);
    for (const Command& below : command.subcommands) declare(*app, below, settings, declared);
    return;
  }
  app->add_flag("--json", settings.json, "Results as JSON, for machines");
  app->add_flag("--allow-network-file-system", settings.allow_network_file_system,
                "Also a store on NFS, SMB and the like, where nothing is guaranteed");
  app->add_flag(
      "--allow-private-network", settings.allow_private_network,
      "Also URLs that lead to loopback, private and other addresses of no public network");
  app->add_flag("--proxy-from-environment", settings.proxy_from_environment,
                "URLs through the proxy that https_proxy, http_proxy or all_proxy names");
  const auto add_s3 = [app](const char* name, std::string& text, const char* form,
                            const char* about) {
    app->add_option(name, text, about)->type_name(form)->group("S3");
  };
  add_s3("--endpoint-url", settings.s3.endpoint, "URL",
         "Another server than Amazon's (default AWS_ENDPOINT_URL)");
  add_s3("--region", settings.s3.region, "NAME", "(default AWS_REGION, or the profile's)");
  add_s3("--profile", settings.s3.profile, "NAME", "Of ~/.aws (default AWS_PROFILE)");
  app->add_flag("--no-sign-request", settings.s3.anonymous, "Without credentials")->group("S3");
  declared.push_back({app, command.declare(*app)});
}

std::vector<Declared> declare_commands(CLI::App& quire, Settings& settings) {
  std::vector<Declared> declared;
  for (const Command& command :
       {create_command(), import_command(), remove_command(), info_command(), stats_command(),
        get_command(), export_command(), nearest_command(), snapshot_command(), restore_command(),
        cat_command(), cp_command(), ls_command(), verify_command(), repair_command(),
        checkpoint_command(), compact_command()}) {
    declare(quire, command, settings, declared);
  }
  return declared;
}

int wrong_usage(const CLI::App& quire, const CLI::ParseError& error) {
  const CLI::App* chosen = &quire;
  std::string name;  // of the command chosen, with a space behind each word
  while (!chosen->get_subcommands().empty()) {
    chosen = chosen->get_subcommands().front();
    name += chosen->get_name() + " ";
  }
  std::string what = error.what();
  if (chosen->get_require_subcommand_min() > 0) {
    const auto words = chosen->remaining();
    what = words.empty() ? "which command?"
                         : fmt::format("there is no command '{}{}'", name, words.front());
  }
  const std::string where = name.empty() ? "" : name.substr(0, name.size() - 1) + ": ";
  print_error(fmt::format("{}{} (see quire {}--help)", where, what, name));
  return kWrongUsage;
}

int run(const std::vector<Declared>& commands, const Settings& settings) {
  for (const auto& [app, command] : commands) {
    if (!app->parsed()) continue;
    if (auto done = command(settings); !done) {
      (void)flush_output();  // what was printed comes before the error
      print_error(done.error().message);
      return done.error().status;
    }
  }
  return kDone;
}

int parse_and_run(int count, char** words) {
  CLI::App quire("Store fixed-dimension vectors under 64-bit ids, durably, and read them back.",
                 "quire");
  Settings settings;
  quire.set_version_flag("--version", "quire " QUIRE_VERSION);
  quire.require_subcommand(1);
  quire.get_formatter()->label("SUBCOMMAND", "COMMAND");
  quire.get_formatter()->label("Positionals", "Arguments");
  quire.get_formatter()->label("REQUIRED", "");
  quire.footer(kHelp);
  const std::vector<Declared> commands = declare_commands(quire, settings);
  try {
    quire.parse(count, words);
  } catch (const CLI::CallForVersion&) {
    print_line("quire {}", QUIRE_VERSION);
    return kDone;
  } catch (const CLI::CallForHelp&) {
    print_text(quire.help());
    return kDone;
  } catch (const CLI::ParseError& error) {
    return wrong_usage(quire, error);
  }
  return run(commands, settings);
}

}  // namespace

int main(int count, char** words) {
  prepare_standard_streams();
  int status = kFailed;
  try {
    status = parse_and_run(count, words);
  } catch (const std::bad_alloc&) {
    print_error("out of memory");
  } catch (const std::exception& error) {
    print_error(error.what());
  }
  if (const auto failure = flush_output(); failure && status == kDone) {
    print_error(fmt::format("write standard output: {}", std::strerror(*failure)));
    return kFailed;
  }
  return status;
}

}  // namespace quire::cli

int main(int count, char** words) { return quire::cli::main(count, words); }
