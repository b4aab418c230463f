// Early return on an error, for functions that return Result. Private: never in public headers.
#pragma once

#include <utility>

#define QUIRE_TRY_CONCAT_(a, b) a##b
#define QUIRE_TRY_NAME_(a, b) QUIRE_TRY_CONCAT_(a, b)

// NOLINTBEGIN(bugprone-macro-parentheses): a declaration cannot stand in parentheses.

// QUIRE_TRY(auto name, expression): evaluates a Result; returns its error, or binds its value.
#define QUIRE_TRY(declaration, expression)                                               \
  auto QUIRE_TRY_NAME_(quire_result_, __LINE__) = (expression);                          \
  if (!QUIRE_TRY_NAME_(quire_result_, __LINE__)) {                                       \
    return std::unexpected(std::move(QUIRE_TRY_NAME_(quire_result_, __LINE__)).error()); \
  }                                                                                      \
  declaration = *std::move(QUIRE_TRY_NAME_(quire_result_, __LINE__))

// NOLINTEND(bugprone-macro-parentheses)

// QUIRE_CHECK(expression): the same for a Result<void>, or where the value does not matter.
#define QUIRE_CHECK(expression)                                 \
  do {                                                          \
    if (auto quire_result_ = (expression); !quire_result_) {    \
      return std::unexpected(std::move(quire_result_).error()); \
    }                                                           \
  } while (false)
