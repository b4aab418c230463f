#include "cli/vectors.hpp"

#include <algorithm>
#include <utility>

#include "base/try.hpp"
#include "cli/opening.hpp"
#include "quire/convert.hpp"
#include "quire/snapshot.hpp"

namespace quire::cli {
namespace {

class StoreVectors final : public Vectors {
 public:
  explicit StoreVectors(VectorStore store) : store_(std::move(store)), view_(store_.view()) {}

  std::uint64_t size() const override { return view_.size(); }
  std::uint32_t dimension() const override { return view_.dimension(); }
  ElementType element_type() const override { return view_.element_type(); }

  Outcome<bool> contains(std::uint64_t id) const override { return view_.contains(id); }

  Outcome<> get(std::uint64_t id, std::span<std::byte> out) const override {
    return from_store(store_.get(id, out));
  }

  Outcome<> scan(const TakeRows& take) const override {
    constexpr std::size_t kBlockBytes = std::size_t{1} << 20;
    const std::vector<std::uint64_t> all = view_.ids();
    const std::size_t block_rows = std::max<std::size_t>(1, kBlockBytes / row_bytes());
    std::vector<std::byte> block(block_rows * row_bytes());
    for (std::size_t begin = 0; begin < all.size(); begin += block_rows) {
      const std::size_t count = std::min(block_rows, all.size() - begin);
      const auto ids = std::span(all).subspan(begin, count);
      const auto rows = std::span(block).first(count * row_bytes());
      for (std::size_t i = 0; i < count; ++i) {
        QUIRE_CHECK(get(ids[i], rows.subspan(i * row_bytes(), row_bytes())));
      }
      QUIRE_CHECK(take(ids, rows));
    }
    return {};
  }

  Outcome<std::vector<std::vector<Neighbour>>> nearest(
      VectorRef queries, std::size_t k, const NearestOptions& options) const override {
    return from_store(view_.nearest(queries, k, options));
  }

 private:
  VectorStore store_;
  ReadView view_;
};

class SnapshotVectors final : public Vectors {
 public:
  explicit SnapshotVectors(Snapshot snapshot) : snapshot_(std::move(snapshot)) {}

  std::uint64_t size() const override { return snapshot_.size(); }
  std::uint32_t dimension() const override { return snapshot_.dimension(); }
  ElementType element_type() const override { return snapshot_.element_type(); }

  Outcome<bool> contains(std::uint64_t id) const override {
    return from_store(snapshot_.contains(id));
  }

  Outcome<> get(std::uint64_t id, std::span<std::byte> out) const override {
    return from_store(snapshot_.get(id, out));
  }

  Outcome<> scan(const TakeRows& take) const override {
    SnapshotScan scan = snapshot_.scan();
    while (true) {
      QUIRE_TRY(const SnapshotRows block, from_store(scan.next()));
      if (block.ids.empty()) return {};
      QUIRE_CHECK(take(block.ids, block.rows.span()));
    }
  }

  Outcome<std::vector<std::vector<Neighbour>>> nearest(
      VectorRef queries, std::size_t k, const NearestOptions& options) const override {
    return from_store(snapshot_.nearest(queries, k, options));
  }

 private:
  Snapshot snapshot_;
};

Outcome<std::unique_ptr<Vectors>> open(const std::string& path, const Settings& settings,
                                       Outcome<Snapshot> (*open_file)(const std::string&,
                                                                      const Settings&)) {
  if (is_directory(path)) {
    QUIRE_TRY(VectorStore store, open_for_reading(path, settings));
    return std::make_unique<StoreVectors>(std::move(store));
  }
  QUIRE_TRY(Snapshot snapshot, open_file(path, settings));
  return std::make_unique<SnapshotVectors>(std::move(snapshot));
}

}  // namespace

ElementType file_type(VectorFormat format, ElementType type) {
  if (format != VectorFormat::npy) return type;
  if (type == ElementType::bf16) return ElementType::f32;
  return type == ElementType::b1 ? ElementType::u8 : type;
}

Outcome<> ConvertingWriter::append(std::span<const std::byte> rows) {
  if (from_ != to_) {
    converted_.resize(rows.size() / row_bytes(from_, dimension_) * row_bytes(to_, dimension_));
    QUIRE_CHECK(convert(VectorRef(from_, rows), dimension_, to_, converted_));
    rows = converted_;
  }
  QUIRE_CHECK(writer_.append(rows));
  return {};
}

Outcome<std::unique_ptr<Vectors>> open_vectors(const std::string& path, const Settings& settings) {
  return open(path, settings, open_snapshot);
}

Outcome<std::unique_ptr<Vectors>> open_vectors_for_scan(const std::string& path,
                                                        const Settings& settings) {
  return open(path, settings, open_snapshot_for_scan);
}

}  // namespace quire::cli
