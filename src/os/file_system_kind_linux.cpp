#include <linux/magic.h>

#include <algorithm>

#include "os/file_system_kind.hpp"

namespace quire::os {

namespace {

// Not in linux/magic.h, or not in that of every kernel.
constexpr std::uint32_t kCifs = 0xFF534D42;
constexpr std::uint32_t kSmb2 = 0xFE534D42;
constexpr std::uint32_t kCeph = 0x00C36400;
constexpr std::uint32_t kAfs = 0x5346414F;
constexpr std::uint32_t kKernelAfs = 0x6B414653;
constexpr std::uint32_t kLustre = 0x0BD00BD0;
constexpr std::uint32_t kGpfs = 0x47504653;

struct NetworkFileSystem {
  std::uint32_t magic;
  const char* name;
};

constexpr NetworkFileSystem kNetwork[] = {
    {NFS_SUPER_MAGIC, "NFS"},   {SMB_SUPER_MAGIC, "SMB"}, {kSmb2, "SMB2"}, {kCifs, "CIFS"},
    {V9FS_MAGIC, "9P"},         {kCeph, "Ceph"},          {kAfs, "AFS"},   {kKernelAfs, "AFS"},
    {CODA_SUPER_MAGIC, "Coda"}, {kLustre, "Lustre"},      {kGpfs, "GPFS"},
};

}  // namespace

FileSystemKind kind_of_magic(std::uint32_t magic) {
  const auto* const found = std::ranges::find(kNetwork, magic, &NetworkFileSystem::magic);
  if (found == std::end(kNetwork)) return {.name = "local", .is_network = false};
  return {.name = found->name, .is_network = true};
}

}  // namespace quire::os
