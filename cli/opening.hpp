// Opening the store that a command works on.
#pragma once

#include <string>

#include "cli/command.hpp"
#include "quire/vector_store.hpp"

namespace quire::cli {

// For looking: takes no lock and changes nothing.
Outcome<VectorStore> open_for_reading(const std::string& directory);

// For changing. Tells of recovery.
Outcome<VectorStore> open_for_writing(const std::string& directory);

// Says on standard error what opening had to recover, if anything.
void tell_recovery(const std::string& directory, const RecoveryReport& report);

}  // namespace quire::cli
