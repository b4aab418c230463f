// What a command of `quire` is: a name, words for the help, its arguments, and what it does.
//
// Each is a file of its own (import.cpp, …) that makes one Command; main.cpp holds the table.
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "quire/error.hpp"

namespace CLI {
class App;  // its header takes longer to compile than any command
}  // namespace CLI

namespace quire::cli {

// Exit statuses, the same for every command. An interrupt by signal s gives 128 + s.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kWrongUsage = 2;
inline constexpr int kDamageFound = 3;

// Why a command did not do what it was asked: its exit status, and one line that says what and
// where.
struct Failure {
  Failure(int exit_status, std::string line) : status(exit_status), message(std::move(line)) {}
  // An error of the library that is no damage of a store or snapshot; `from_store` knows the others.
  Failure(const Error& error)  // NOLINT(google-explicit-constructor): so that QUIRE_TRY converts
      : status(kFailed), message(error.message()) {}

  int status;
  std::string message;
};

template <class T = void>
using Outcome = std::expected<T, Failure>;

inline std::unexpected<Failure> fail(int status, std::string message) {
  return std::unexpected(Failure(status, std::move(message)));
}

// True for the errors by which a store or snapshot says that its files are damaged.
inline bool is_damage(const Error& error) {
  return error.code() == ErrorCode::corrupt || error.code() == ErrorCode::truncated;
}

// What a store or snapshot returned, as an outcome: damage ends the command with kDamageFound. (The same codes
// from a vector file mean bad input, which is kFailed.)
template <class T>
Outcome<T> from_store(Result<T> result) {
  if (result) {
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      return std::move(*result);
    }
  }
  return fail(is_damage(result.error()) ? kDamageFound : kFailed, result.error().message());
}

// As S3Options, for whatever s3:// place the command reads or writes.
struct S3Settings {
  std::string endpoint;
  std::string region;
  std::string profile;
  bool anonymous = false;
};

// What every command is told.
struct Settings {
  bool json = false;  // results for machines
  // As OpenStoreOptions::allow_network_file_system, for whatever store the command opens or makes.
  bool allow_network_file_system = false;
  // As HttpSourceOptions::allow_private_network, for whatever URL the command reads.
  bool allow_private_network = false;
  // As HttpSourceOptions::proxy_from_environment.
  bool proxy_from_environment = false;
  S3Settings s3;
};

using Run = std::function<Outcome<>(const Settings&)>;

struct Command {
  const char* group;  // heading in `quire --help`
  const char* name;
  const char* summary;  // one line
  const char* help;     // what else to know, and an example; shown below the options
  // Adds the command's arguments to `app`; what it returns is run when the command was chosen and
  // holds the values parsed. Null for a command that has subcommands: one of those is run.
  Run (*declare)(CLI::App& app);
  std::vector<Command> subcommands = {};
};

Command create_command();
Command import_command();
Command info_command();
Command stats_command();
Command get_command();
Command nearest_command();
Command export_command();
Command remove_command();
Command checkpoint_command();
Command compact_command();
Command repair_command();
Command verify_command();
Command snapshot_command();
Command restore_command();
Command cat_command();
Command cp_command();
Command ls_command();

}  // namespace quire::cli
