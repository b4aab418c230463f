// Opening the store or snapshot that a command works on.
#pragma once

#include <string>

#include "cli/command.hpp"
#include "quire/snapshot.hpp"
#include "quire/vector_store.hpp"

namespace quire::cli {

// Where a command takes both, a directory is taken for a store and everything else for a snapshot.
// Follows symbolic links.
bool is_directory(const std::string& path);

// How the commands open stores, but for what one of them asks for.
OpenStoreOptions opening_options(const Settings& settings);

// A store, for looking: takes no lock and changes nothing.
Outcome<VectorStore> open_for_reading(const std::string& directory, const Settings& settings);

// A store, for changing. Tells of recovery.
Outcome<VectorStore> open_for_writing(const std::string& directory, const Settings& settings);

// Fails, and says so, if `path` is a snapshot file where only a store will do.
Outcome<> refuse_snapshot(const std::string& path);

// Says on standard error what opening had to recover, if anything.
void tell_recovery(const std::string& directory, const RecoveryReport& report);

// A snapshot: a file, mapped, or what a URL leads to.
Outcome<Snapshot> open_snapshot(const std::string& place, const Settings& settings);

// The same, and a file is read by calls: what is handed out of it is no map, which a file that is cut would turn
// into a signal.
Outcome<Snapshot> open_snapshot_for_scan(const std::string& place, const Settings& settings);

}  // namespace quire::cli
