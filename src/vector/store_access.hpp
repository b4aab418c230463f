// StoreAccess: a vector store over any file system. For the tests, and for rooms that build on stores.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "os/file_system.hpp"
#include "quire/vector_store.hpp"
#include "vector/store_core.hpp"

namespace quire::vector {

// By default without a thread of its own: a test sees each call of the store in order.
struct StoreAccess {
  [[nodiscard]] static Result<VectorStore> create(
      os::FileSystem& file_system, const std::string& directory, const VectorStoreOptions& options,
      const OpenStoreOptions& open_options = {.background = false});
  [[nodiscard]] static Result<VectorStore> open(os::FileSystem& file_system,
                                                const std::string& directory, StoreMode mode,
                                                const OpenStoreOptions& options = {
                                                    .background = false});
  // What a view holds.
  [[nodiscard]] static std::shared_ptr<const ViewState> state(const ReadView& view) {
    return view.state_;
  }
  [[nodiscard]] static ReadView view(std::shared_ptr<const ViewState> state) {
    return ReadView(std::move(state));
  }
};

}  // namespace quire::vector
