// The processes of the crash tests: one that writes a churn until somebody kills it, those that look on
// meanwhile, and one that judges what is left. Only the library's public interface.
//
//   store_writer write DIR SEED [UNTIL [TYPE [DURABILITY]]]
//       opens or makes the store, and goes on with the churn where the store ends. Prints the number of each
//       batch as soon as it is acknowledged; after batch UNTIL (0: never) it dies without a word, as if killed.
//   store_writer watch DIR SEED
//       looks again and again until standard input ends; prints how often it saw how much.
//   store_writer check DIR SEED LSN
//       judges: batch LSN is there, all before it too, nothing is torn, every checksum is right; first as a
//       reader, then after recovery. Prints the number of the last batch.
//
// Status 3: the store is not what it must be; a line on standard error says how.
#include <poll.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "churn.hpp"
#include "quire/bulk_loader.hpp"
#include "quire/vector_store.hpp"

namespace {

using quire::tests::Churn;

constexpr std::uint32_t kDimension = 64;
constexpr std::uint64_t kIds = 3000;
constexpr int kWrong = 3;
// Small, so that every path is gone often.
constexpr std::uint64_t kCheckpointLogBytes = std::uint64_t{256} << 10;
constexpr std::uint64_t kDirectBatchBytes = 4096;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "store_writer: %s\n", why.c_str());
  std::exit(kWrong);
}

template <class T>
T expect(quire::Result<T> result) {
  if (!result) die(result.error().message());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

std::size_t row_bytes(const quire::VectorStore& store) {
  return quire::row_bytes(store.element_type(), store.dimension());
}

void compare(const Churn& churn, const quire::ReadView& view, std::size_t bytes) {
  if (const std::string wrong = churn.difference(view, bytes); !wrong.empty()) die(wrong);
}

quire::OpenStoreOptions options() {
  quire::OpenStoreOptions options;
  options.checkpoint_log_bytes = kCheckpointLogBytes;
  options.direct_batch_bytes = kDirectBatchBytes;
  return options;
}

void write_batch(quire::VectorStore& store, const Churn::Changes& changes) {
  quire::WriteBatch batch;
  for (const auto& [id, mark] : changes) {
    if (!mark) {
      batch.remove(id);
      continue;
    }
    const auto vector = Churn::vector_of(*mark, row_bytes(store));
    batch.put(id, quire::VectorRef(store.element_type(), vector));
  }
  expect(store.write(batch));
}

// The same by a bulk load, for a batch that removes nothing.
void load_batch(quire::VectorStore& store, const Churn::Changes& changes) {
  quire::BulkLoader loader = expect(store.bulk_load());
  quire::BulkRows rows = expect(loader.claim(changes.size()));
  for (const auto& [id, mark] : changes) {
    const auto vector = Churn::vector_of(*mark, row_bytes(store));
    expect(rows.append(std::span(&id, 1), quire::VectorRef(store.element_type(), vector)));
  }
  expect(loader.commit(std::move(rows)));
}

bool only_puts(const Churn::Changes& changes) {
  return std::ranges::all_of(changes, [](const auto& change) { return change.second.has_value(); });
}

void acknowledge(std::uint64_t lsn) {
  const std::string line = std::to_string(lsn) + "\n";
  if (::write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    std::_Exit(0);  // nobody listens any more
  }
}

int write_store(const std::string& directory, std::uint64_t seed, std::uint64_t until,
                const quire::VectorStoreOptions& made_with) {
  quire::VectorStore store =
      expect(quire::VectorStore::open_or_create(directory, made_with, options()));
  Churn churn(seed, kIds);
  churn.go_to(store.view().lsn());
  compare(churn, store.view(), row_bytes(store));
  while (until == 0 || churn.lsn() < until) {
    const Churn::Changes changes = churn.next();
    if (churn.lsn() % 5 == 0 && only_puts(changes)) {
      load_batch(store, changes);
    } else {
      write_batch(store, changes);
    }
    if (store.view().lsn() != churn.lsn()) {
      die("batch " + std::to_string(churn.lsn()) + " is number " +
          std::to_string(store.view().lsn()));
    }
    acknowledge(churn.lsn());
    if (churn.lsn() % 700 == 0) expect(store.compact());
  }
  std::_Exit(0);
}

bool input_has_ended() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  char byte = 0;
  return ::poll(&input, 1, 0) > 0 && ::read(STDIN_FILENO, &byte, 1) <= 0;
}

int watch_store(const std::string& directory, std::uint64_t seed) {
  Churn churn(seed, kIds);
  std::uint64_t looks = 0;
  std::uint64_t last = 0;
  while (!input_has_ended()) {
    auto opened = quire::VectorStore::open_read_only(directory);
    if (!opened && opened.error().code() == quire::ErrorCode::not_found && last == 0) continue;
    quire::VectorStore store = expect(std::move(opened));
    for (int look = 0; look < 10; ++look) {
      ++looks;
      const quire::ReadView view = store.view();
      if (view.lsn() < last) {
        die("batch " + std::to_string(last) + " was seen, and now " + std::to_string(view.lsn()) +
            " is the last");
      }
      last = view.lsn();
      churn.go_to(last);
      compare(churn, view, row_bytes(store));
      expect(store.refresh());
    }
  }
  std::printf("%llu looks, up to batch %llu\n", static_cast<unsigned long long>(looks),
              static_cast<unsigned long long>(last));
  return 0;
}

int check_store(const std::string& directory, std::uint64_t seed, std::uint64_t acknowledged) {
  Churn churn(seed, kIds);
  for (const bool recover : {false, true}) {
    quire::VectorStore store = expect(recover ? quire::VectorStore::open(directory)
                                              : quire::VectorStore::open_read_only(directory));
    const quire::ReadView view = store.view();
    if (view.lsn() < acknowledged) {
      die("batch " + std::to_string(acknowledged) +
          " was acknowledged; the last that is there is " + std::to_string(view.lsn()));
    }
    churn.go_to(view.lsn());
    compare(churn, view, row_bytes(store));
    const quire::VerifyReport report = expect(store.verify());
    if (!report.ok()) die("damaged: " + report.damaged[0].file + ": " + report.damaged[0].what);
  }
  std::printf("%llu\n", static_cast<unsigned long long>(churn.lsn()));
  return 0;
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    die(std::string(text) + " is no number");
  }
  return value;
}

}  // namespace

int main(int count, char** words) {
  const std::vector<std::string> arguments(words + 1, words + count);
  if (arguments.size() < 3) die("what, where, which?");
  const std::string& directory = arguments[1];
  const std::uint64_t seed = number(arguments[2]);
  if (arguments[0] == "watch") return watch_store(directory, seed);
  if (arguments.size() > 3 && arguments[0] == "check") {
    return check_store(directory, seed, number(arguments[3]));
  }
  if (arguments[0] != "write") die("no such work");
  quire::VectorStoreOptions made_with{.dimension = kDimension};
  made_with.element_type = quire::ElementType::u8;
  if (arguments.size() > 4) {
    made_with.element_type =
        quire::element_type_from_string(arguments[4]).value_or(quire::ElementType::u8);
  }
  if (arguments.size() > 5) {
    made_with.durability =
        quire::durability_from_string(arguments[5]).value_or(quire::Durability::power_loss);
  }
  return write_store(directory, seed, arguments.size() > 3 ? number(arguments[3]) : 0, made_with);
}
