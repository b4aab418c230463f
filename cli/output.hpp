// Standard output and standard error of the command.
//
// Output that cannot be written (a closed pipe, a full disk) never stops the work: the first
// failure is kept, and `flush_output` at the end tells of it.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace quire::cli {

// Makes standard input, output and error safe to use, whatever the caller left of them: a closed
// pipe is an error instead of a signal, and no file that is opened later can take a closed one's
// number.
void prepare_standard_streams();

void print_text(std::string_view text);

// One line.
template <class... Args>
void print_line(fmt::format_string<Args...> format, Args&&... args) {
  print_text(fmt::format(format, std::forward<Args>(args)...) + "\n");
}

// Text of others (a path, a key) without the control characters that it may hold.
std::string one_line(std::string_view text);

// One line of JSON, handed to the reader at once.
void print_json(const nlohmann::ordered_json& value);

// Hands everything printed to the reader. The errno of the first write that failed so far, if one
// did.
std::optional<int> flush_output();

// One line on standard error, after "quire: ".
void print_error(std::string_view message);

}  // namespace quire::cli
