#include "quire/vector_store.hpp"

#include <array>
#include <deque>
#include <utility>

#include "base/try.hpp"
#include "quire/bulk_loader.hpp"
#include "quire/convert.hpp"
#include "vector/bulk_load.hpp"
#include "vector/check_rows.hpp"
#include "vector/network_refusal.hpp"
#include "vector/store_access.hpp"
#include "vector/store_core.hpp"

namespace quire {

namespace vector {

Result<VectorStore> StoreAccess::create(os::FileSystem& file_system, const std::string& directory,
                                        const VectorStoreOptions& options,
                                        const OpenStoreOptions& open_options) {
  if (!open_options.allow_network_file_system) {
    QUIRE_CHECK(refuse_network_file_system(file_system, "create", directory));
  }
  QUIRE_CHECK(StoreCore::create(file_system, directory, options));
  return open(file_system, directory, StoreMode::read_write, open_options);
}

Result<VectorStore> StoreAccess::open(os::FileSystem& file_system, const std::string& directory,
                                      StoreMode mode, const OpenStoreOptions& options) {
  QUIRE_TRY(auto core, StoreCore::open(file_system, directory, mode, options));
  return VectorStore(std::move(core));
}

}  // namespace vector

inline namespace v0 {

namespace {

template <class Enum, std::size_t N>
using Names = std::array<std::pair<Enum, std::string_view>, N>;

constexpr Names<Durability, 3> kDurabilities{{{Durability::power_loss, "power_loss"},
                                              {Durability::process_crash, "process_crash"},
                                              {Durability::checkpoint_only, "checkpoint_only"}}};
constexpr Names<Metric, 4> kMetrics{{{Metric::l2, "l2"},
                                     {Metric::inner_product, "ip"},
                                     {Metric::cosine, "cosine"},
                                     {Metric::hamming, "hamming"}}};

template <class Enum, std::size_t N>
std::string_view name_of(const Names<Enum, N>& names, Enum value) noexcept {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  return "?";
}

template <class Enum, std::size_t N>
std::optional<Enum> from_name(const Names<Enum, N>& names, std::string_view wanted) noexcept {
  for (const auto& [value, name] : names) {
    if (name == wanted) return value;
  }
  return std::nullopt;
}

Error closed(const char* operation) {
  return Error(ErrorCode::closed, operation).with_detail("the store was moved from");
}

}  // namespace

std::string_view to_string(Durability durability) noexcept {
  return name_of(kDurabilities, durability);
}
std::optional<Durability> durability_from_string(std::string_view name) noexcept {
  return from_name(kDurabilities, name);
}
std::string_view to_string(Metric metric) noexcept { return name_of(kMetrics, metric); }
std::optional<Metric> metric_from_string(std::string_view name) noexcept {
  return from_name(kMetrics, name);
}

void WriteBatch::put(std::uint64_t id, VectorRef vector) {
  operations_.push_back({.id = id,
                         .offset = bytes_.size(),
                         .length = vector.bytes().size(),
                         .type = vector.element_type(),
                         .is_put = true});
  bytes_.insert(bytes_.end(), vector.bytes().begin(), vector.bytes().end());
}

void WriteBatch::remove(std::uint64_t id) {
  operations_.push_back(
      {.id = id, .offset = 0, .length = 0, .type = ElementType::f32, .is_put = false});
}

void WriteBatch::clear() noexcept {
  operations_.clear();
  bytes_.clear();
}

Result<VectorStore> VectorStore::create(const std::filesystem::path& directory,
                                        const VectorStoreOptions& options,
                                        const OpenStoreOptions& open_options) {
  return vector::StoreAccess::create(os::real_file_system(), directory.string(), options,
                                     open_options);
}

Result<VectorStore> VectorStore::open(const std::filesystem::path& directory,
                                      const OpenStoreOptions& options) {
  return vector::StoreAccess::open(os::real_file_system(), directory.string(),
                                   vector::StoreMode::read_write, options);
}

Result<VectorStore> VectorStore::open_or_create(const std::filesystem::path& directory,
                                                const VectorStoreOptions& options,
                                                const OpenStoreOptions& open_options) {
  OpenStoreOptions wanted = open_options;
  wanted.dimension = options.dimension;
  wanted.element_type = options.element_type;
  wanted.durability = options.durability;
  auto opened = open(directory, wanted);
  if (opened || opened.error().code() != ErrorCode::not_found) return opened;
  auto created = create(directory, options, open_options);
  if (created || created.error().code() != ErrorCode::exists) return created;
  // Someone else created it first, or there are other files: open says which.
  auto again = open(directory, wanted);
  return again || again.error().code() != ErrorCode::not_found ? std::move(again)
                                                               : std::move(created);
}

Result<VectorStore> VectorStore::open_read_only(const std::filesystem::path& directory,
                                                const OpenStoreOptions& options) {
  return vector::StoreAccess::open(os::real_file_system(), directory.string(),
                                   vector::StoreMode::read_only, options);
}

VectorStore::VectorStore(std::shared_ptr<vector::StoreCore> core) noexcept
    : core_(std::move(core)) {}
VectorStore::VectorStore(VectorStore&&) noexcept = default;
VectorStore& VectorStore::operator=(VectorStore&&) noexcept = default;
VectorStore::~VectorStore() = default;

Result<void> VectorStore::put(std::uint64_t id, VectorRef vector) {
  return put_batch({&id, 1}, vector);
}

Result<void> VectorStore::put_batch(std::span<const std::uint64_t> ids, VectorRef rows) {
  if (!core_) return std::unexpected(closed("put"));
  std::vector<std::byte> converted;
  QUIRE_TRY(const auto bytes, vector::rows_for_store(*core_, "put", rows, ids.size(), converted));
  const auto stride = static_cast<std::size_t>(core_->identity().stride());
  std::vector<vector::Change> changes;
  changes.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    changes.push_back({.kind = vector::OperationKind::put,
                       .id = ids[i],
                       .row = bytes.subspan(i * stride, stride)});
  }
  QUIRE_CHECK(core_->commit(std::move(changes)));
  return {};
}

Result<bool> VectorStore::put_if_absent(std::uint64_t id, VectorRef vector) {
  return put_if(id, vector, 0);
}

Result<bool> VectorStore::put_if_unchanged(std::uint64_t id, VectorRef vector, std::uint64_t lsn) {
  if (lsn == 0) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "put")
                               .with_detail("no batch has LSN 0; put_if_absent is for new ids"));
  }
  return put_if(id, vector, lsn);
}

Result<bool> VectorStore::put_if(std::uint64_t id, VectorRef vector, std::uint64_t lsn) {
  if (!core_) return std::unexpected(closed("put"));
  std::vector<std::byte> converted;
  QUIRE_TRY(const auto row, vector::rows_for_store(*core_, "put", vector, 1, converted));
  return core_->commit({{.kind = vector::OperationKind::put, .id = id, .row = row}}, lsn);
}

Result<void> VectorStore::reserve(std::uint64_t rows) {
  if (!core_) return std::unexpected(closed("reserve"));
  return core_->reserve(rows);
}

Result<void> VectorStore::write(const WriteBatch& batch) {
  if (!core_) return std::unexpected(closed("write"));
  std::vector<vector::Change> changes;
  changes.reserve(batch.size());
  std::deque<std::vector<std::byte>> converted;  // what `changes` have of them stays where it is
  for (const WriteBatch::Operation& operation : batch.operations_) {
    if (!operation.is_put) {
      changes.push_back({.kind = vector::OperationKind::remove, .id = operation.id, .row = {}});
      continue;
    }
    const VectorRef given(operation.type,
                          std::span(batch.bytes_).subspan(operation.offset, operation.length));
    QUIRE_TRY(const auto row,
              vector::rows_for_store(*core_, "put", given, 1, converted.emplace_back()));
    changes.push_back({.kind = vector::OperationKind::put, .id = operation.id, .row = row});
  }
  QUIRE_CHECK(core_->commit(std::move(changes)));
  return {};
}

Result<bool> VectorStore::remove(std::uint64_t id) {
  if (!core_) return std::unexpected(closed("remove"));
  return core_->commit({{.kind = vector::OperationKind::remove, .id = id, .row = {}}});
}

Result<BulkLoader> VectorStore::bulk_load(const BulkLoadOptions& options) {
  if (!core_) return std::unexpected(closed("bulk_load"));
  QUIRE_TRY(auto load, vector::BulkLoad::begin(core_, options));
  return BulkLoader(std::move(load));
}

Result<void> VectorStore::get(std::uint64_t id, std::span<std::byte> out) const {
  if (!core_) return std::unexpected(closed("get"));
  return core_->get(id, out);
}

Result<std::vector<std::byte>> VectorStore::get_bytes(std::uint64_t id, ElementType type) const {
  if (!core_) return std::unexpected(closed("get"));
  if (type != element_type() && !core_->converts()) {
    return std::unexpected(
        Error(ErrorCode::mismatch, "get")
            .with_path(core_->directory())
            .with_detail("the store's vectors are " + std::string(to_string(element_type()))));
  }
  std::vector<std::byte> row(static_cast<std::size_t>(core_->identity().stride()));
  QUIRE_CHECK(core_->get(id, row));
  if (type == element_type()) return row;
  std::vector<std::byte> converted(row_bytes(type, dimension()));
  if (auto done = convert(VectorRef(element_type(), row), dimension(), type, converted); !done) {
    return std::unexpected(Error(done.error().code(), "get")
                               .with_path(core_->directory())
                               .with_detail(std::string(done.error().detail())));
  }
  return converted;
}

ReadView VectorStore::view() const { return ReadView(core_->view()); }

Result<void> VectorStore::sync() {
  if (!core_) return std::unexpected(closed("sync"));
  return core_->sync();
}

Result<void> VectorStore::checkpoint() {
  if (!core_) return std::unexpected(closed("checkpoint"));
  return core_->checkpoint();
}

Result<bool> VectorStore::refresh() {
  if (!core_) return std::unexpected(closed("refresh"));
  return core_->refresh();
}

Result<CompactionReport> VectorStore::compact(const ProgressCallback& progress) {
  if (!core_) return std::unexpected(closed("compact"));
  return core_->compact(progress);
}

Result<void> VectorStore::close() {
  if (!core_) return std::unexpected(closed("close"));
  return core_->close();
}

Result<VerifyReport> VectorStore::verify(const ProgressCallback& progress,
                                         const VerifyOptions& options) const {
  if (!core_) return std::unexpected(closed("verify"));
  return core_->verify(progress, options);
}

Result<StoreInfo> VectorStore::info() const {
  if (!core_) return std::unexpected(closed("info"));
  return core_->info();
}

Result<StoreMetricsSnapshot> VectorStore::metrics() const {
  if (!core_) return std::unexpected(closed("metrics"));
  return core_->metrics_snapshot();
}

const RecoveryReport& VectorStore::recovery() const noexcept { return core_->recovery(); }
std::uint32_t VectorStore::dimension() const noexcept { return core_->identity().dimension; }
ElementType VectorStore::element_type() const noexcept { return core_->identity().element_type; }

}  // namespace v0
}  // namespace quire
