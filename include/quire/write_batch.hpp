// WriteBatch: puts and removes of a VectorStore that are one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quire/element_type.hpp"
#include "quire/export.hpp"
#include "quire/vector_ref.hpp"

namespace quire {
inline namespace v0 {

// Puts and removes that become visible and durable together or not at all, applied in order: of
// several for one id the last counts. Copies the vectors. Single-thread.
class QUIRE_EXPORT WriteBatch {
 public:
  void put(std::uint64_t id, VectorRef vector);
  void remove(std::uint64_t id);
  void clear() noexcept;
  std::size_t size() const noexcept { return operations_.size(); }
  bool empty() const noexcept { return operations_.empty(); }

 private:
  friend class VectorStore;
  struct Operation {
    std::uint64_t id;
    std::size_t offset;  // of the vector in bytes_
    std::size_t length;
    ElementType type;
    bool is_put;
  };
  std::vector<Operation> operations_;
  std::vector<std::byte> bytes_;
};

}  // namespace v0
}  // namespace quire
