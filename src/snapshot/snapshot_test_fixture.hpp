// What the tests of snapshots share: a small store, snapshots of it in memory, and sources that count.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "quire/local_source.hpp"
#include "quire/snapshot.hpp"
#include "snapshot/memory_backends_fixture.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::snapshot {

using vector::failed_with;
using vector::Model;
using vector::succeeded;
using vector::vector_of;

inline std::shared_ptr<const ByteSource> in_memory(const Content& content) {
  return memory_source(Bytes::copy(content));
}

inline std::shared_ptr<const FetchedSource> fetched(const Content& content) {
  return std::make_shared<const FetchedSource>(content);
}

// Everything that a scan gives.
inline Model contents_of(SnapshotScan scan) {
  Model contents;
  for (;;) {
    auto rows = scan.next();
    EXPECT_TRUE(succeeded(rows));
    if (!rows || rows->ids.empty()) return contents;
    const std::size_t stride = rows->rows.size() / rows->ids.size();
    for (std::size_t i = 0; i < rows->ids.size(); ++i) {
      const auto row = rows->rows.span().subspan(i * stride, stride);
      const auto* elements = reinterpret_cast<const std::uint8_t*>(row.data());
      const bool is_new =
          contents.emplace(rows->ids[i], std::vector(elements, elements + stride)).second;
      EXPECT_TRUE(is_new) << "id " << rows->ids[i];
    }
  }
}

class SnapshotTest : public vector::StoreTest {
 protected:
  void SetUp() override { create(); }

  // A snapshot of the store as it is, in blocks of `block_rows`.
  Content publish(std::uint32_t block_rows) { return publish(store_->view(), block_rows); }
  static Content publish(const ReadView& view, std::uint32_t block_rows) {
    MemorySink sink;
    const auto made = write_snapshot(
        view, sink, {.block_bytes = block_rows * static_cast<std::uint32_t>(view.dimension())});
    EXPECT_TRUE(succeeded(made));
    EXPECT_TRUE(sink.is_committed());
    if (made) {
      EXPECT_EQ(made->bytes, sink.content().size());
    }
    return sink.content();
  }

  static Snapshot opened(std::shared_ptr<const ByteSource> source) {
    auto snapshot = Snapshot::open(std::move(source));
    EXPECT_TRUE(succeeded(snapshot));
    return std::move(*snapshot);
  }

  // Both ways to read: in place, and by fetching.
  static std::vector<Snapshot> opened_both_ways(const Content& content) {
    std::vector<Snapshot> both;
    both.push_back(opened(in_memory(content)));
    both.push_back(opened(fetched(content)));
    return both;
  }

  // ids 10, 11, …; then some with gaps of every width.
  void put_some() {
    for (std::uint64_t id = 10; id < 30; ++id) put(id, id);
    for (std::uint64_t id = 100; id < 200; id += 7) put(id, id);
    for (std::uint64_t id = 1'000'000; id < 9'000'000; id += 800'000) put(id, id);
    put(0, 1);
    put(UINT64_MAX, 2);
    put(UINT64_MAX - 9, 3);
  }
};

}  // namespace quire::snapshot
