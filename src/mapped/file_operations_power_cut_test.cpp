// Whole-file operations where the power goes: the old file or the new one, whole; and once the
// operation has returned, the new one.
#include <functional>
#include <set>

#include "mapped/file_operations.hpp"
#include "mapped/simulated_disk_fixture.hpp"

namespace quire::mapped {
namespace {

using os::Survivors;

class FileOperationsPowerCutTest : public SimulatedDiskTest {
 protected:
  using Step = std::function<void(Disk&)>;

  static std::string text_of(char letter) { return std::string(5 * kPage + 77, letter); }
  // "new", "old" or "not_found"; else what is neither.
  static std::string name_of(const std::string& found) {
    if (found == text_of('o')) return "old";
    if (found == text_of('n')) return "new";
    return found == "not_found" ? found : "neither: " + found.substr(0, 20);
  }
  // A durable file of `old`, and another with `new` bytes.
  static void put_old(Disk& disk) {
    put(disk, kPath, text_of('o'));
    put_source(disk);
  }
  static void put_source(Disk& disk) { put(disk, "/source", text_of('n')); }

  // Cuts the power before each call of the operation, in all ways. What `look` sees on the machines
  // that wake up.
  std::set<std::string> after_cuts(const Step& prepare, const Step& operation,
                                   const std::function<std::string(Disk&)>& look) {
    Disk disk;
    prepare(disk);
    disk.write_back_one_in(3, 1);
    std::set<std::string> found;
    const auto cut = [&](Survivors survivors) {
      found.insert(look(*disk.power_cut(survivors, random_)));
    };
    disk.set_hook([&](const os::SimulatedCall& /*call*/) {
      cut(Survivors::none);
      cut(Survivors::all);
      for (int i = 0; i < 32; ++i) cut(Survivors::random);
      return os::SimulatedOutcome{.write_limit = 2 * kPage};
    });
    operation(disk);
    disk.set_hook(nullptr);
    after_.clear();
    for (const auto survivors : {Survivors::none, Survivors::all, Survivors::random}) {
      after_.insert(look(*disk.power_cut(survivors, random_)));
    }
    return found;
  }
  // Looks at the file that the operation writes.
  std::set<std::string> after_cuts(const Step& prepare, const Step& operation) {
    return after_cuts(prepare, operation, [](Disk& disk) { return name_of(read(disk)); });
  }

  static void write(Disk& disk) {
    EXPECT_TRUE(write_file_atomic(disk, kPath, as_bytes(text_of('n')), {}));
  }
  static void copy(Disk& disk) { EXPECT_TRUE(copy_file(disk, "/source", kPath, {})); }

  std::set<std::string> after_;  // what is there once the operation has returned
};

using Names = std::set<std::string>;

TEST_F(FileOperationsPowerCutTest, WritingLeavesTheOldFileOrTheNew) {
  EXPECT_EQ(after_cuts(&put_old, &write), (Names{"new", "old"}));
  EXPECT_EQ(after_, Names{"new"});
  EXPECT_EQ(after_cuts(&put_source, &write), (Names{"new", "not_found"}));
  EXPECT_EQ(after_, Names{"new"});
}

TEST_F(FileOperationsPowerCutTest, CopyingLeavesTheOldFileOrTheNew) {
  EXPECT_EQ(after_cuts(&put_old, &copy), (Names{"new", "old"}));
  EXPECT_EQ(after_, Names{"new"});
  EXPECT_EQ(after_cuts(&put_source, &copy), (Names{"new", "not_found"}));
  EXPECT_EQ(after_, Names{"new"});
}

TEST_F(FileOperationsPowerCutTest, CopyingAFileWithHolesLeavesTheOldFileOrTheNew) {
  const std::string fresh = "n" + std::string(300'000, '\0');
  const auto prepare = [&](Disk& disk) {
    put(disk, kPath, "o");
    put(disk, "/source", "n");
    auto source = disk.open("/source", os::OpenMode::read_write, 0).value();
    EXPECT_TRUE(source->truncate(fresh.size()));
    EXPECT_TRUE(source->sync());
  };
  const auto look = [&](Disk& disk) {
    const std::string found = read(disk);
    return found == fresh ? "new" : found.substr(0, 20);
  };
  EXPECT_EQ(after_cuts(prepare, &copy, look), (Names{"new", "o"}));
  EXPECT_EQ(after_, Names{"new"});
}

TEST_F(FileOperationsPowerCutTest, CopyingLeavesTheSource) {
  const auto look = [](Disk& disk) { return name_of(read(disk, "/source")); };
  EXPECT_EQ(after_cuts(&put_old, &copy, look), Names{"new"});
}

TEST_F(FileOperationsPowerCutTest, ARemovedFileCameBack) {
  const auto remove = [](Disk& disk) { EXPECT_TRUE(remove_file(disk, kPath)); };
  EXPECT_EQ(after_cuts(&put_old, remove), (Names{"not_found", "old"}));
  EXPECT_EQ(after_, Names{"not_found"});
}

// A range is changed in place: any of its bytes may be new, but no other byte is, nor the size.
TEST_F(FileOperationsPowerCutTest, ChangingARangeTouchesNothingElse) {
  const std::string part(3 * kPage, 'n');
  const auto change = [&](Disk& disk) {
    EXPECT_TRUE(write_file_range(disk, kPath, kPage - 10, as_bytes(part)));
  };
  const auto look = [&](Disk& disk) {
    std::string found = read(disk);
    if (found.size() != text_of('o').size()) return "another size";
    const std::string range = found.substr(kPage - 10, part.size());
    found.replace(kPage - 10, part.size(), part.size(), 'o');
    if (found != text_of('o')) return "changed elsewhere";
    if (range == part) return "new";
    return range.find_first_not_of("on") == std::string::npos ? "old or partly" : "neither";
  };
  EXPECT_EQ(after_cuts(&put_old, change, look), (Names{"new", "old or partly"}));
  EXPECT_EQ(after_, Names{"new"});
}

}  // namespace
}  // namespace quire::mapped
