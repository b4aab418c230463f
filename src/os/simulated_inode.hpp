// What the simulated file system is made of: files and directories, each with what of it is durable.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "os/simulated_file_system.hpp"

namespace quire::os {

inline constexpr std::uint64_t kPage = 4096;
inline constexpr std::uint64_t kSector = 512;

using Page = std::array<std::byte, kPage>;

// Ends the test program if the machinery below the simulation fails.
void require(bool condition, const char* what);

// A file or a directory.
struct SimulatedInode {
  struct Change {
    enum class Kind : std::uint8_t { link, rename, unlink } kind;
    std::string name;
    std::string to;  // of a rename, in the same directory
    std::shared_ptr<SimulatedInode> inode;
  };
  using Entries = std::map<std::string, std::shared_ptr<SimulatedInode>>;

  explicit SimulatedInode(bool directory);
  // What a power cut leaves of another: it keeps the number, as on a disk.
  static std::shared_ptr<SimulatedInode> after_power_cut(const SimulatedInode& before);
  ~SimulatedInode();
  SimulatedInode(const SimulatedInode&) = delete;
  SimulatedInode& operator=(const SimulatedInode&) = delete;

  const bool is_directory;
  // The same before and after a power cut.
  std::uint64_t number;
  // For the life of the process: what is remembered of a file before a cut is not believed after it.
  const std::uint64_t incarnation;
  FileId id() const noexcept { return {incarnation, number, 0}; }
  std::uint32_t permissions = 0644;
  std::uint64_t modified = 0;  // a logical time: the number of changes by calls

  // Of a file.
  int descriptor = -1;
  std::map<std::uint64_t, Page> image;  // durable pages that are not all zeros, by page number
  // Pages that count as clean though the image has something else, as the file has them: a failed sync marked them so,
  // or they went wrong in the image alone. They are read, but no sync writes them until they change or are
  // written again.
  std::map<std::uint64_t, Page> passed_over;
  std::uint64_t durable_size = 0;
  std::vector<std::uint64_t> unsynced_sizes;  // sizes it has had since the last sync
  int exclusive_locks = 0;
  int shared_locks = 0;

  // Of a directory.
  Entries entries;
  Entries durable_entries;
  std::vector<Change> changes;  // since its last sync

  std::uint64_t size() const;
  std::uint64_t allocated() const;
  Page current_page(std::uint64_t number_of_page) const;
  const Page& image_page(std::uint64_t number_of_page) const;
  void set_image_page(std::uint64_t number_of_page, const Page& page);
  // Writes the page that has the byte, if it is dirty, damages it in the image, and leaves the file.
  void flip_in_image(std::uint64_t offset, std::byte mask);
  // True if the file's page, which is `current`, has nothing for the image.
  bool is_clean(std::uint64_t number_of_page, const Page& current) const;
  // The numbers of all pages that may differ from zeros in the file or in the image.
  std::set<std::uint64_t> touched_pages() const;
  // Calls visit(number, current page) for each of them, in order.
  void each_touched_page(
      const std::function<void(std::uint64_t number, const Page& current)>& visit) const;
  // Those that differ between the two, but for those passed over.
  std::vector<std::uint64_t> dirty_pages() const;
  // Makes the image equal to the file in the range, but for pages passed over, and the size durable.
  void make_durable(ByteRange range);
  // Marks what of the range is dirty clean, without making it durable.
  void drop_dirty_pages(ByteRange range);
  // The range was written, so that its pages are dirty.
  void mark_written(ByteRange range);
};

// What of a directory and all below it is there after a power cut.
[[nodiscard]] std::shared_ptr<SimulatedInode> surviving_directory(const SimulatedInode& directory,
                                                                  Survivors survivors,
                                                                  Random& random);

}  // namespace quire::os
