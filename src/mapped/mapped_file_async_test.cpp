// The asynchronous forms, beside what they are forms of.
#include "quire/mapped_file_async.hpp"

#include <atomic>
#include <coroutine>
#include <exception>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "mapped/simulated_disk_fixture.hpp"
#include "quire/async_await.hpp"
#include "quire/async_future.hpp"

namespace quire::mapped {
namespace {

// Runs nothing by itself.
class Pile final : public Executor {
 public:
  void submit(Task task) override { tasks_.push_back(std::move(task)); }
  std::size_t size() const { return tasks_.size(); }
  void run_all() {
    for (Task& task : std::exchange(tasks_, {})) task();
  }

 private:
  std::vector<Task> tasks_;
};

// A coroutine that nobody waits for.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

using Outcomes = std::vector<std::string>;

class MappedFileAsyncTest : public SimulatedDiskTest {
 protected:
  using Names = std::map<std::string, std::string>;
  // One of the asynchronous functions, all its arguments given but for two.
  using Start = std::function<void(Completion<>, AsyncOptions)>;

  ~MappedFileAsyncTest() override { set_default_executor(nullptr); }
  MappedFileAsyncTest() = default;
  MappedFileAsyncTest(const MappedFileAsyncTest&) = delete;
  MappedFileAsyncTest& operator=(const MappedFileAsyncTest&) = delete;

  // Waits for what `start` begins, and tells its outcome.
  template <class StartOne>
  static std::string outcome(StartOne start) {
    return code_of(as_future(std::move(start)).get());
  }
  // The executor that keeps, and a stop that comes when the test asks for it.
  AsyncOptions kept() { return {.stop = stop_.get_token(), .executor = pile_}; }
  // Writes its outcome down.
  template <class T = void>
  Completion<T> note() {
    return [this](Result<T> result) { outcomes_.push_back(code_of(result)); };
  }

  // Drops the value.
  template <class T>
  static Completion<T> only_code(Completion<> done) {
    return [done = std::move(done)](Result<T> result) mutable {
      done(result ? Result<void>() : std::unexpected(std::move(result).error()));
    };
  }
  // Each function, such that it succeeds: on the open `file`, or beside "there", which holds "text",
  // and "other".
  std::map<std::string, Start> each(MappedFile& file) {
    const std::string there = path("there");
    const std::string fresh = path("fresh");
    const auto in = as_bytes("hello");
    MappedFileTest::put(there, "text!");
    MappedFileTest::put(path("other"), "other");
    return {
        {"write", [&file, in](auto done, auto o) { write_async(file, 0, in, std::move(done), o); }},
        {"write_durable",
         [&file, in](auto done, auto o) { write_durable_async(file, 0, in, std::move(done), o); }},
        {"flush", [&file](auto done, auto o) { flush_async(file, std::move(done), o); }},
        {"flush_range",
         [&file](auto done, auto o) { flush_range_async(file, {0, 1}, std::move(done), o); }},
        {"open",
         [=](auto done, auto o) {
           open_async(there, Access::read_only, only_code<MappedFile>(std::move(done)), o);
         }},
        {"create",
         [=](auto done, auto o) {
           create_async(fresh + "1", 5, only_code<MappedFile>(std::move(done)), o);
         }},
        {"create_or_replace",
         [=](auto done, auto o) {
           create_or_replace_async(fresh + "2", 5, only_code<MappedFile>(std::move(done)), o);
         }},
        {"open_or_create",
         [=](auto done, auto o) {
           open_or_create_async(fresh + "3", 5, only_code<MappedFile>(std::move(done)), o);
         }},
        {"read_file",
         [=](auto done, auto o) { read_file_async(there, only_code<Bytes>(std::move(done)), o); }},
        {"write_file_atomic",
         [=](auto done, auto o) { write_file_atomic_async(fresh + "4", in, std::move(done), o); }},
        {"write_file_range",
         [=](auto done, auto o) { write_file_range_async(there, 0, in, std::move(done), o); }},
        {"copy_file",
         [=](auto done, auto o) { copy_file_async(there, fresh + "5", std::move(done), o); }},
        {"remove_file", [=, other = path("other")](
                            auto done, auto o) { remove_file_async(other, std::move(done), o); }},
    };
  }
  Names files() const {
    Names all;
    for (const std::string& name : names()) all[name] = contents(path(name));
    return all;
  }

  std::shared_ptr<Pile> pile_ = std::make_shared<Pile>();
  std::stop_source stop_;
  Outcomes outcomes_;
};

// Promises of every one of them.

TEST_F(MappedFileAsyncTest, EachEndsOnceAndNeverInsideTheCall) {
  MappedFile file = make(5).value();
  for (const auto& [name, start] : each(file)) {
    outcomes_.clear();
    start(note(), kept());
    EXPECT_EQ(outcomes_, Outcomes{}) << name << " ended inside the call";
    EXPECT_EQ(pile_->size(), 1U) << name;
    pile_->run_all();
    EXPECT_EQ(outcomes_, Outcomes{"ok"}) << name;
  }
}

TEST_F(MappedFileAsyncTest, EachRunsOnTheDefaultExecutorIfNoneIsGiven) {
  set_default_executor(pile_);
  MappedFile file = make(5).value();
  for (const auto& [name, start] : each(file)) start(note(), {});
  EXPECT_EQ(pile_->size(), 13U);
  pile_->run_all();
  EXPECT_EQ(outcomes_, Outcomes(13, "ok"));
}

TEST_F(MappedFileAsyncTest, EachDoesNothingIfItIsStoppedBeforeItBegins) {
  MappedFile file = make(5).value();
  const auto starts = each(file);
  const Names before = files();
  const std::uint64_t calls = disk_.calls();
  for (const auto& [name, start] : starts) start(note(), kept());
  stop_.request_stop();
  EXPECT_EQ(outcomes_, Outcomes{});
  pile_->run_all();
  EXPECT_EQ(outcomes_, Outcomes(13, "cancelled"));
  EXPECT_EQ(files(), before);
  EXPECT_EQ(disk_.calls(), calls);
  EXPECT_EQ(text(file, 0, 5), std::string(5, '\0'));
}

TEST_F(MappedFileAsyncTest, EachThatIsCancelledSaysWhat) {
  MappedFile file = make(5).value();
  stop_.request_stop();
  std::vector<Error> errors;
  const auto keep_error = [&errors](const auto& result) {
    if (!result) errors.push_back(result.error());
  };
  const auto starts = each(file);
  for (const auto& [name, start] : starts) start(keep_error, kept());
  write_async(file, 3, as_bytes("ab"), keep_error, kept());
  pile_->run_all();
  ASSERT_EQ(errors.size(), 14U);
  for (const Error& error : errors) EXPECT_NE(error.path(), "") << error.message();
  EXPECT_EQ(errors.back().message(), "write /file [3, 5): cancelled");
}

TEST_F(MappedFileAsyncTest, OnceBegunItRunsToItsEnd) {
  MappedFile file = make(5).value();
  disk_.set_hook([this](const os::SimulatedCall&) {
    stop_.request_stop();
    return os::SimulatedOutcome{};
  });
  write_durable_async(file, 0, as_bytes("hello"), note(), kept());
  flush_async(file, note(), kept());
  pile_->run_all();
  EXPECT_EQ(outcomes_, (Outcomes{"ok", "cancelled"}));
}

TEST_F(MappedFileAsyncTest, NoMemoryIsAnErrorThere) {
  MappedFile file = make(5).value();
  disk_.set_hook([](const os::SimulatedCall&) -> os::SimulatedOutcome { throw std::bad_alloc(); });
  EXPECT_THROW(ignore_error(file.flush()), std::bad_alloc);
  EXPECT_EQ(outcome([&](Completion<> done) { flush_async(file, std::move(done)); }), "capacity");
}

TEST_F(MappedFileAsyncTest, ItHasLetGoOfTheFileWhenItEnds) {
  const Held before = held();
  MappedFile file = create(5);
  const auto check = [&](Result<>) { EXPECT_EQ(held(), before); };
  flush_async(file, check, kept());
  file = MappedFile();
  EXPECT_NE(held(), before);
  pile_->run_all();
}

// On mapped files.

TEST_F(MappedFileAsyncTest, WritesAndFlushes) {
  MappedFile file = make(3 * kPage).value();
  write_async(file, kPage, as_bytes("one"), note(), kept());
  write_async(file, 2 * kPage, as_bytes("two"), note(), kept());
  flush_range_async(file, {kPage, 3}, note(), kept());
  pile_->run_all();
  EXPECT_EQ(read(*cut_power()).substr(kPage, 3), "one");
  EXPECT_EQ(read(*cut_power()).substr(2 * kPage, 3), std::string(3, '\0'));
  flush_async(file, note(), kept());
  pile_->run_all();
  EXPECT_EQ(read(*cut_power()).substr(2 * kPage, 3), "two");
  EXPECT_EQ(outcomes_, Outcomes(4, "ok"));
}

TEST_F(MappedFileAsyncTest, AWriteIsDurableWhenItEnds) {
  MappedFile file = make(5).value();
  std::string survived;
  write_durable_async(
      file, 0, as_bytes("hello"), [&](Result<>) { survived = read(*cut_power()); }, kept());
  pile_->run_all();
  EXPECT_EQ(survived, "hello");
}

TEST_F(MappedFileAsyncTest, AWriteThatCannotBeMadeDurableSaysSo) {
  MappedFile file = make(5).value();
  fail_next("sync_range", EIO);
  const auto write = [&](Completion<> done) {
    write_durable_async(file, 0, as_bytes("hello"), std::move(done));
  };
  EXPECT_EQ(outcome(write), "io");
  EXPECT_EQ(outcome(write), "read_only_after_error");
  EXPECT_EQ(outcome([&](Completion<> done) { flush_async(file, std::move(done)); }),
            "read_only_after_error");
}

TEST_F(MappedFileAsyncTest, ErrorsAreThoseOfTheSynchronousForms) {
  put(disk_, kPath, "hello");
  MappedFile file = open(Access::read_only);
  MappedFile closed;
  write_async(file, 0, as_bytes("x"), note(), kept());
  write_durable_async(file, 0, as_bytes("x"), note(), kept());
  flush_range_async(file, {5, 1}, note(), kept());
  flush_async(closed, note(), kept());
  MappedFile writable = open();
  write_async(writable, 4, as_bytes("ab"), note(), kept());
  pile_->run_all();
  EXPECT_EQ(outcomes_,
            (Outcomes{"wrong_mode", "wrong_mode", "out_of_range", "closed", "out_of_range"}));
}

// The range is checked when the operation runs.
TEST_F(MappedFileAsyncTest, AWriteGoesIntoTheFileAsItIsThen) {
  MappedFile file = make(5).value();
  write_async(file, 5, as_bytes("later"), note(), kept());
  write_async(file, 95, as_bytes("later"), note(), kept());
  ASSERT_TRUE(file.grow(10));
  pile_->run_all();
  EXPECT_EQ(outcomes_, (Outcomes{"ok", "out_of_range"}));
  EXPECT_EQ(text(file, 5, 5), "later");
}

TEST_F(MappedFileAsyncTest, AFileThatIsGoneMeanwhileIsStillWritten) {
  {
    MappedFile destroyed = make(5).value();
    MappedFile closed = destroyed.share();
    write_durable_async(destroyed, 0, as_bytes("he"), note(), kept());
    write_durable_async(closed, 2, as_bytes("llo"), note(), kept());
    ASSERT_TRUE(closed.close());
  }
  pile_->run_all();
  EXPECT_EQ(outcomes_, (Outcomes{"ok", "ok"}));
  EXPECT_EQ(read(*cut_power()), "hello");
}

// The buffer is the caller's again in `done`: here it goes away there. ASan sees who still looks.
TEST_F(MappedFileAsyncTest, TheBufferIsNotTouchedAfterTheEnd) {
  MappedFile file = make(5).value();
  for (int i = 0; i < 100; ++i) {
    auto buffer = std::make_unique<std::string>("hello");
    const auto in = as_bytes(*buffer);
    const auto done = as_future([&](Completion<> end) {
                        write_durable_async(
                            file, 0, in, [&buffer, end = std::move(end)](Result<> result) mutable {
                              buffer.reset();
                              end(std::move(result));
                            });
                      }).get();
    EXPECT_TRUE(done);
  }
}

// As many as the two threads of the executor can be given at once.
TEST_F(MappedFileAsyncTest, ManyWritesRunSideBySide) {
  constexpr std::size_t kWrites = 400;
  const std::string all = [] {
    std::string made;
    for (std::size_t i = 0; i < kWrites; ++i) made.append(16, static_cast<char>('a' + i % 26));
    return made;
  }();
  MappedFile file = make(all.size()).value();
  std::vector<std::future<Result<>>> writes;
  for (std::size_t i = 0; i < kWrites; ++i) {
    const auto in = as_bytes(all).subspan(16 * i, 16);
    writes.push_back(as_future([&](Completion<> done) {
      i % 20 == 0 ? write_durable_async(file, 16 * i, in, std::move(done))
                  : write_async(file, 16 * i, in, std::move(done));
    }));
  }
  for (auto& write : writes) EXPECT_EQ(code_of(write.get()), "ok");
  EXPECT_EQ(text(file, 0, all.size()), all);
}

Detached save(MappedFile& file, std::string bytes, std::promise<Outcomes>& ended) {
  Outcomes outcomes;
  const std::thread::id caller = std::this_thread::get_id();
  const auto flush_past_the_end = [&file, range = ByteRange{0, 500}](Completion<> done) {
    flush_range_async(file, range, std::move(done));
  };
  outcomes.push_back(code_of(co_await as_awaitable(
      [&](Completion<> done) { write_async(file, 0, as_bytes(bytes), std::move(done)); })));
  outcomes.push_back(code_of(co_await as_awaitable(flush_past_the_end)));
  outcomes.push_back(code_of(
      co_await as_awaitable([&](Completion<> done) { flush_async(file, std::move(done)); })));
  outcomes.emplace_back(std::this_thread::get_id() == caller ? "here" : "there");
  ended.set_value(std::move(outcomes));
}

TEST_F(MappedFileAsyncTest, ACoroutineGoesThroughThem) {
  MappedFile file = make(30).value();
  std::promise<Outcomes> ended;
  save(file, "bytes that are on the heap now", ended);
  EXPECT_EQ(ended.get_future().get(), (Outcomes{"ok", "out_of_range", "ok", "there"}));
  EXPECT_EQ(read(*cut_power()), "bytes that are on the heap now");
}

// On files by their names.

TEST_F(MappedFileAsyncTest, OpensAndCreates) {
  const auto create = [&](Completion<MappedFile> done) {
    create_async(path(), 5, std::move(done), {}, {.permissions = 0600});
  };
  MappedFile file = as_future(create).get().value();
  EXPECT_EQ(std::filesystem::status(path()).permissions(), std::filesystem::perms{0600});
  EXPECT_EQ(outcome(create), "exists");
  ASSERT_TRUE(file.write(0, as_bytes("hello")));
  const auto opened = as_future([&](Completion<MappedFile> done) {
                        open_async(path(), Access::read_only, std::move(done));
                      }).get();
  EXPECT_EQ(text(opened.value(), 0, 5), "hello");
  EXPECT_EQ(opened->access(), Access::read_only);
}

TEST_F(MappedFileAsyncTest, OpensOrCreatesAndReplaces) {
  const auto open_or_create = [&](Completion<MappedFile> done) {
    open_or_create_async(path(), 5, std::move(done));
  };
  EXPECT_TRUE(as_future(open_or_create).get().value().write(0, as_bytes("hello")));
  EXPECT_EQ(text(as_future(open_or_create).get().value(), 0, 5), "hello");
  const auto replaced = as_future([&](Completion<MappedFile> done) {
                          create_or_replace_async(path(), 3, std::move(done));
                        }).get();
  EXPECT_EQ(replaced.value().size(), 3U);
}

TEST_F(MappedFileAsyncTest, AFileThatNobodyTakesIsClosed) {
  MappedFileTest::put(path(), "hello");
  const Held before = held();
  open_async(path(), Access::read_write, [](Result<MappedFile>) {}, kept());
  pile_->run_all();
  EXPECT_EQ(held(), before);
}

TEST_F(MappedFileAsyncTest, WritesReadsCopiesAndRemovesFiles) {
  const auto run = [&](auto start) {
    start();
    pile_->run_all();
  };
  std::string seen;
  run([&] { write_file_atomic_async(path("a"), as_bytes("hello"), note(), kept()); });
  run([&] { write_file_range_async(path("a"), 1, as_bytes("u"), note(), kept()); });
  run([&] { copy_file_async(path("a"), path("b"), note(), kept()); });
  run([&] { remove_file_async(path("a"), note(), kept()); });
  run([&] {
    read_file_async(path("b"), [&](auto bytes) { seen = bytes.value().text(); }, kept());
  });
  EXPECT_EQ(outcomes_, Outcomes(4, "ok"));
  EXPECT_EQ(seen, "hullo");
  EXPECT_EQ(files(), (Names{{"b", "hullo"}}));
}

TEST_F(MappedFileAsyncTest, ErrorsOfWholeFilesComeThrough) {
  const std::string none = path("none");
  MappedFileTest::put(path(), "hello");
  open_async(none, Access::read_only, note<MappedFile>(), kept());
  read_file_async(none, note<Bytes>(), kept());
  write_file_range_async(path(), 4, as_bytes("ab"), note(), kept());
  copy_file_async(none, path("b"), note(), kept());
  remove_file_async(none, note(), kept());
  pile_->run_all();
  EXPECT_EQ(outcomes_,
            (Outcomes{"not_found", "not_found", "out_of_range", "not_found", "not_found"}));
}

TEST_F(MappedFileAsyncTest, OptionsOfWholeFilesAreHeeded) {
  MappedFileTest::put(path(), "hello");
  MappedFileTest::put(path("other"), "old");
  read_file_async(path(), note<Bytes>(), kept(), {.max_bytes = 4});
  write_file_atomic_async(path(), as_bytes("new"), note(), kept(), {.if_exists = IfExists::fail});
  copy_file_async(path(), path("other"), note(), kept(), {.if_exists = IfExists::fail});
  pile_->run_all();
  EXPECT_EQ(outcomes_, (Outcomes{"capacity", "exists", "exists"}));
  EXPECT_EQ(files(), (Names{{"file", "hello"}, {"other", "old"}}));
}

TEST_F(MappedFileAsyncTest, OptionsOfMappedFilesAreHeeded) {
  MappedFileTest::put(path(), "hello");
  MappedFileOptions too_little;
  too_little.reserve = 4;
  open_async(path(), Access::read_only, note<MappedFile>(), kept(), too_little);
  create_async(path("b"), 5, note<MappedFile>(), kept(), too_little);
  create_or_replace_async(path(), 5, note<MappedFile>(), kept(), too_little);
  open_or_create_async(path(), 5, note<MappedFile>(), kept(), too_little);
  pile_->run_all();
  EXPECT_EQ(outcomes_, Outcomes(4, "invalid_argument"));
}

}  // namespace
}  // namespace quire::mapped
