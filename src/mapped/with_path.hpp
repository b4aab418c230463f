// An error about the path that the caller gave, not about the file beside it.
#pragma once

#include <string>
#include <utility>

#include "quire/error.hpp"

namespace quire::mapped {

template <class T>
[[nodiscard]] Result<T> with_path(Result<T> result, const std::string& path) {
  if (!result) return std::unexpected(std::move(result).error().with_path(path));
  return result;
}

}  // namespace quire::mapped
