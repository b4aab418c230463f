// A disk that fails on demand, for tests: ext4 on a loop device, over an image in a small tmpfs.
//
// It fails as real ones do, below the file system: blocks that are gone give EIO, and an image with
// no space left beneath it gives ENOSPC when blocks are written out.
//
// Only this process sees it, and it goes when the process goes, however that ends: the mounts are in
// a mount namespace of their own, and the loop device frees itself when its last user is gone.
#pragma once

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "mapped/mapped_file_fixture.hpp"
#include "quire/byte_range.hpp"

namespace quire::mapped {

// Throws what the system said, if a call failed without which there is nothing to test.
inline void require(bool good, const std::string& what) {
  const int system_code = errno;
  if (!good) throw std::system_error(system_code, std::generic_category(), "cannot " + what);
}

// Single-thread. An open file, device or directory.
class Descriptor {
 public:
  explicit Descriptor(const std::string& path, int flags = O_RDWR)
      : number_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {
    require(number_ >= 0, "open " + path);
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const noexcept { return number_; }

 private:
  int number_;
};

// Single-thread. A mounted file system; unmounted at the end, even if something in it is open.
class Mount {
 public:
  Mount(std::string type, std::string source, std::string at, std::string options)
      : type_(std::move(type)),
        source_(std::move(source)),
        at_(std::move(at)),
        options_(std::move(options)) {
    mount();
  }
  ~Mount() { ::umount2(at_.c_str(), MNT_DETACH); }
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;

  // Writes everything out and forgets all that is cached. REQUIRES: nothing in it is open.
  void remount() const {
    require(::umount2(at_.c_str(), 0) == 0, "unmount " + at_);
    mount();
  }

 private:
  void mount() const {
    require(::mount(source_.c_str(), at_.c_str(), type_.c_str(), 0, options_.c_str()) == 0,
            "mount a " + type_ + " at " + at_);
  }

  const std::string type_;
  const std::string source_;
  const std::string at_;
  const std::string options_;
};

// Single-thread. A block device over an image file.
class LoopDevice {
 public:
  explicit LoopDevice(const Descriptor& image) : device_(attach(image, path_)) {}

  const std::string& path() const noexcept { return path_; }
  // Takes over the size that the image has now, in use as the device may be.
  void follow_the_image() const {
    require(::ioctl(device_.number(), LOOP_SET_CAPACITY, 0) == 0, "change the size of " + path_);
  }

 private:
  static Descriptor attach(const Descriptor& image, std::string& path) {
    const Descriptor control("/dev/loop-control");
    for (;;) {
      const int free = ::ioctl(control.number(), LOOP_CTL_GET_FREE);
      require(free >= 0, "get a free loop device");
      path = "/dev/loop" + std::to_string(free);
      Descriptor device(path);
      loop_config config{};
      config.fd = static_cast<std::uint32_t>(image.number());
      config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
      if (::ioctl(device.number(), LOOP_CONFIGURE, &config) == 0) return device;
      // Someone else was faster: there is a next one.
      require(errno == EBUSY, "set up " + path);
    }
  }

  std::string path_;
  const Descriptor device_;
};

// Single-thread. The disk, mounted where it is told.
class FailingDisk {
 public:
  // REQUIRES: root, mkfs.ext4, loop devices; throws and says what is missing.
  FailingDisk(const std::filesystem::path& at, std::uint64_t bytes)
      : bytes_(bytes),
        medium_("tmpfs", "quire-test", own_namespace(at), "size=" + std::to_string(bytes + kSlack)),
        image_(at / "image", O_RDWR | O_CREAT),
        filler_(at / "filler", O_RDWR | O_CREAT),
        device_(formatted(at)),
        // On top of the medium, which from here on is reached by its descriptors alone.
        disk_("ext4", device_.path(), at, "") {}

  // Forgets all that is cached. REQUIRES: nothing on the disk is open.
  void remount() const { disk_.remount(); }

  // The device ends where byte `from` of the file is: touching what lay behind fails with EIO.
  void lose(const std::string& file, std::uint64_t from) const {
    resize(place_of(file).offset + from);
  }
  // The device has its old size again. What was lost is zeros.
  void mend() const { resize(bytes_); }

  // Takes away what is beneath the file, and all space there is: no block of the file can be written
  // out. Other blocks can.
  void starve(const std::string& file) const {
    const ByteRange place = place_of(file);
    require(::fallocate(image_.number(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        static_cast<off_t>(place.offset), static_cast<off_t>(place.length)) == 0,
            "punch a hole into the image");
    struct statvfs space{};
    require(::fstatvfs(filler_.number(), &space) == 0, "look at the space beneath");
    const auto left = static_cast<off_t>(space.f_bavail * space.f_bsize);
    require(::fallocate(filler_.number(), 0, 0, left) == 0, "fill the space beneath");
  }
  // There is space again.
  void feed() const { require(::ftruncate(filler_.number(), 0) == 0, "give the space back"); }

 private:
  static constexpr std::uint64_t kSlack = 64 * kPage;

  // What is mounted by this process from here on, nobody else sees.
  static std::string own_namespace(const std::filesystem::path& at) {
    static const bool entered = [] {
      require(::unshare(CLONE_NEWNS) == 0, "get a mount namespace (are you root?)");
      require(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0,
              "make the mounts private");
      return true;
    }();
    static_cast<void>(entered);
    return at;
  }

  const Descriptor& formatted(const std::filesystem::path& at) const {
    require(::ftruncate(image_.number(), static_cast<off_t>(bytes_)) == 0, "size the image");
    const std::string log = at / "mkfs.log";
    const std::string command =
        "PATH=$PATH:/usr/sbin:/sbin mkfs.ext4 -q -F -b 4096 -m 0" +
        std::string(" -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 ") +
        (at / "image").string() + " >" + log + " 2>&1";
    if (std::system(command.c_str()) != 0) {
      std::ifstream said(log);
      throw std::runtime_error("mkfs.ext4 (package e2fsprogs) failed: " +
                               std::string(std::istreambuf_iterator<char>(said), {}));
    }
    // No hole is left: blocks fail only where a test says so.
    require(::fallocate(image_.number(), 0, 0, static_cast<off_t>(bytes_)) == 0,
            "allocate the image");
    return image_;
  }

  void resize(std::uint64_t bytes) const {
    require(::ftruncate(image_.number(), static_cast<off_t>(bytes)) == 0, "resize the image");
    device_.follow_the_image();
  }

  // Where on the device a file is; it must lie there in one piece.
  static ByteRange place_of(const std::string& file) {
    constexpr std::size_t kExtents = 64;
    std::vector<std::uint64_t> memory((sizeof(struct fiemap) + kExtents * sizeof(fiemap_extent)) /
                                      sizeof(std::uint64_t));
    auto* const map = reinterpret_cast<struct fiemap*>(memory.data());
    map->fm_length = FIEMAP_MAX_OFFSET;
    map->fm_flags = FIEMAP_FLAG_SYNC;
    map->fm_extent_count = kExtents;
    const Descriptor descriptor(file, O_RDONLY);
    require(::ioctl(descriptor.number(), FS_IOC_FIEMAP, map) == 0, "find the blocks of " + file);
    ByteRange place{map->fm_extents[0].fe_physical, 0};
    for (const fiemap_extent& extent : std::span(map->fm_extents, map->fm_mapped_extents)) {
      const bool follows = extent.fe_logical == place.length && extent.fe_physical == place.end();
      if (!follows) throw std::runtime_error(file + " does not lie in one piece");
      place.length += extent.fe_length;
    }
    if (place.empty()) throw std::runtime_error(file + " has no blocks");
    return place;
  }

  const std::uint64_t bytes_;
  const Mount medium_;
  const Descriptor image_;
  const Descriptor filler_;
  const LoopDevice device_;
  const Mount disk_;
};

// Each test has a disk of its own, at directory().
class FailingDeviceTest : public MappedFileTest {
 protected:
  static constexpr std::uint64_t kDisk = 32 * kMiB;

  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "these tests mount a disk of their own and must run as root; "
                                  "leave them out with: ctest -LE root";
    disk_ = std::make_unique<FailingDisk>(directory(), kDisk);
  }
  void TearDown() override { disk_.reset(); }

  const FailingDisk& disk() const { return *disk_; }

 private:
  std::unique_ptr<FailingDisk> disk_;
};

}  // namespace quire::mapped
