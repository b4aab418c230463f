// Publishes a snapshot of a store while it goes on being written, and reads it where it lies.
#include <quire/snapshot.hpp>

#include <array>
#include <iostream>

int main() {
  auto store = quire::VectorStore::open_or_create("points", {.dimension = 3}).value();
  quire::WriteBatch points;
  for (std::uint64_t id = 0; id < 1000; ++id) {
    const auto x = static_cast<float>(id);
    points.put(id, std::array{x, x / 2, 1.0F});
  }
  store.write(points).value();

  // #region use
  quire::create_snapshot(store.view(), "points.quire").value();  // whole and durable, or not there
  store.put(42, std::array{0.0F, 0.0F, 0.0F}).value();           // not in it any more

  const auto snapshot = quire::Snapshot::open("points.quire").value();  // mapped
  const auto row = snapshot.find<float>(42).value();                    // its checksum was compared
  std::cout << "42: " << row.elements()[0] << '\n';

  const std::span<const float> matrix = snapshot.matrix<float>().value();  // all rows, no copy
  std::cout << "elements: " << matrix.size() << '\n';

  auto scan = snapshot.scan(100, 199);  // ids 100 to 199, ascending, a block at a time
  for (auto rows = scan.next().value(); !rows.ids.empty(); rows = scan.next().value()) {
    std::cout << rows.ids.size() << " rows from id " << rows.ids.front() << " on\n";
  }
  if (!snapshot.verify().value().ok()) return 1;  // reads everything anew
  // #endregion
}
