#include "vector/control_page.hpp"

#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <thread>
#include <vector>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "base/try.hpp"

namespace quire::vector {

namespace {

using base::checksum;
using base::load_le;
using base::store_le;

constexpr std::string_view kMagic = "QUIRECTL";
constexpr std::uint64_t kSealAt = 56;
constexpr std::uint64_t kMetricsHeaderBytes = 16;
// A write of these few bytes takes less than a microsecond, so that a second torn read is rare.
constexpr int kAttempts = 16;

using PageBytes = std::array<std::byte, kControlPageBytes>;

// Reads up to out.size() bytes; fewer only at the end of the file.
Result<std::size_t> read_up_to(os::File& file, std::uint64_t offset, std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    QUIRE_TRY(const std::size_t got, file.pread(offset + done, out.subspan(done)));
    if (got == 0) break;
    done += got;
  }
  return done;
}

bool is_valid(std::span<const std::byte> page) {
  return std::memcmp(page.data(), kMagic.data(), kMagic.size()) == 0 &&
         load_le<std::uint64_t>(page, kSealAt) == checksum(page.first(kSealAt));
}

// Whether trying again may help, and what was found.
template <class T>
struct Attempt {
  bool torn = false;
  std::optional<T> found;
};

Result<Attempt<std::string>> try_metrics_block(os::File& lock) {
  std::array<std::byte, kMetricsHeaderBytes> header{};
  QUIRE_TRY(const std::size_t got, read_up_to(lock, kMetricsBlockOffset, header));
  const auto length = load_le<std::uint32_t>(header, 0);
  if (got < header.size() || length == 0) return Attempt<std::string>{};
  if (length >= kMetricsTextLimit) return Attempt<std::string>{.torn = true, .found = {}};
  std::string text(length, '\0');
  const auto bytes = std::as_writable_bytes(std::span(text));
  QUIRE_TRY(const std::size_t read,
            read_up_to(lock, kMetricsBlockOffset + kMetricsHeaderBytes, bytes));
  if (read < length || load_le<std::uint64_t>(header, 8) != checksum(bytes)) {
    return Attempt<std::string>{.torn = true, .found = {}};
  }
  return Attempt<std::string>{.torn = false, .found = std::move(text)};
}

Result<Attempt<ControlPage>> try_control_page(os::File& lock) {
  PageBytes page{};
  QUIRE_TRY(const std::size_t got, read_up_to(lock, 0, page));
  if (got < page.size() || page == PageBytes{}) return Attempt<ControlPage>{};
  if (!is_valid(page)) return Attempt<ControlPage>{.torn = true, .found = {}};
  ControlPage found{.store = {},
                    .generation = load_le<std::uint64_t>(page, 32),
                    .published_lsn = load_le<std::uint64_t>(page, 40)};
  std::memcpy(found.store.data(), page.data() + 16, found.store.size());
  return Attempt<ControlPage>{.torn = false, .found = found};
}

template <class T>
Result<std::optional<T>> read_untorn(os::File& lock, Result<Attempt<T>> (*attempt)(os::File&)) {
  for (int i = 0; i < kAttempts; ++i) {
    if (i > 0) std::this_thread::yield();
    QUIRE_TRY(Attempt<T> result, attempt(lock));
    if (!result.torn) return std::move(result.found);
  }
  return std::nullopt;
}

}  // namespace

Result<void> write_control_page(os::File& lock, const StoreIdentity& identity,
                                std::uint64_t generation, std::uint64_t published_lsn) {
  PageBytes block{};
  const std::span<std::byte> page(block);
  std::memcpy(page.data(), kMagic.data(), kMagic.size());
  std::memcpy(page.data() + 16, identity.id.data(), identity.id.size());
  store_le(page, 32, generation);
  store_le(page, 40, published_lsn);
  store_le(page, kSealAt, checksum(page.first(kSealAt)));
  return lock.write_all(0, page);
}

Result<void> clear_control_page(os::File& lock) {
  QUIRE_TRY(const os::FileInfo now, lock.info());
  // A full disk has no room for the first page, and there is nothing to take back.
  if (now.size == 0) return {};
  QUIRE_CHECK(lock.write_all(0, PageBytes{}));
  if (now.size <= kControlPageBytes) return {};
  return lock.truncate(kControlPageBytes);
}

Result<void> write_metrics_block(os::File& lock, std::string_view json) {
  if (json.size() >= kMetricsTextLimit) {
    return std::unexpected(
        Error(ErrorCode::invalid_argument, "write")
            .with_path(lock.path())
            .with_range({kMetricsBlockOffset, kMetricsHeaderBytes + json.size()})
            .with_detail("a text of " + std::to_string(json.size()) + " bytes is too long"));
  }
  const auto text = std::as_bytes(std::span(json));
  std::vector<std::byte> block(kMetricsHeaderBytes);
  store_le(block, 0, static_cast<std::uint32_t>(json.size()));
  store_le(block, 8, checksum(text));
  block.insert(block.end(), text.begin(), text.end());
  return lock.write_all(kMetricsBlockOffset, block);
}

Result<std::optional<ControlPage>> read_control_page(os::File& lock) {
  return read_untorn<ControlPage>(lock, try_control_page);
}

Result<std::optional<std::string>> read_metrics_block(os::File& lock) {
  return read_untorn<std::string>(lock, try_metrics_block);
}

}  // namespace quire::vector
