#include "engine/graph/stage_loop.h"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include <tbb/flow_graph.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

namespace weft::graph {
namespace {

// Runs one thing at a time on a thread of its own.
class Lane {
 public:
  Lane() : thread_([this] { Run(); }) {}
  ~Lane() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  void Submit(std::function<void()> work) {
    {
      std::lock_guard lock(mutex_);
      work_ = std::move(work);
    }
    wake_.notify_one();
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return work_ || stopping_; });
      if (!work_) return;
      auto work = std::exchange(work_, nullptr);
      lock.unlock();
      work();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::function<void()> work_;
  bool stopping_ = false;
  std::thread thread_;
};

// Where a shard's turns stand.
class Progress {
 public:
  void End() {
    std::lock_guard lock(mutex_);
    ended_ = true;
    over_.notify_all();
  }
  bool ended() const {
    std::lock_guard lock(mutex_);
    return ended_;
  }
  void Wait() const {
    std::unique_lock lock(mutex_);
    over_.wait(lock, [this] { return ended_; });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable over_;
  bool ended_ = false;
};

struct Token {
  Shard* shard;
  Lane* lane;
  Progress* progress;
};

}  // namespace

struct Workers::Impl {
  explicit Impl(unsigned threads)
      : parallelism(tbb::global_control::max_allowed_parallelism, threads + 1),
        arena(static_cast<int>(threads), 0) {}

  // The shards' own threads only hand work in, so every thread of the arena is a worker; TBB keeps
  // one less than it is allowed, which on one core would be none.
  tbb::global_control parallelism;
  tbb::task_arena arena;
};

Workers::Workers(unsigned threads)
    : impl_(std::make_unique<Impl>(
          threads != 0 ? threads : std::max(1U, std::thread::hardware_concurrency()))) {}
Workers::~Workers() = default;

struct StageLoop::Graph {
  using Exchange = tbb::flow::async_node<Token, Token>;

  explicit Graph(tbb::task_arena& workers) : arena(workers) {
    arena.execute([this] {
      flow = std::make_unique<tbb::flow::graph>();
      exchange = std::make_unique<Exchange>(*flow, tbb::flow::unlimited,
                                            [](Token token, Exchange::gateway_type& gateway) {
                                              gateway.reserve_wait();
                                              token.lane->Submit([token, &gateway] {
                                                const bool more = token.shard->Exchange();
                                                if (more) gateway.try_put(token);
                                                gateway.release_wait();
                                                if (!more) token.progress->End();
                                              });
                                            });
      compute = std::make_unique<tbb::flow::function_node<Token, Token>>(
          *flow, tbb::flow::unlimited, [](Token token) {
            token.shard->Compute();
            return token;
          });
      tbb::flow::make_edge(*exchange, *compute);
      tbb::flow::make_edge(*compute, *exchange);
    });
  }
  ~Graph() {
    arena.execute([this] { flow->wait_for_all(); });
  }

  tbb::task_arena& arena;
  std::unique_ptr<tbb::flow::graph> flow;
  std::unique_ptr<Exchange> exchange;
  std::unique_ptr<tbb::flow::function_node<Token, Token>> compute;
};

struct StageLoop::Turns::Impl {
  Progress progress;
  Lane lane;  // last: joined before the rest goes
};

StageLoop::Turns::Turns(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StageLoop::Turns::~Turns() { Wait(); }
bool StageLoop::Turns::ended() const { return impl_->progress.ended(); }
void StageLoop::Turns::Wait() const { impl_->progress.Wait(); }

StageLoop::StageLoop(Workers& workers) : graph_(std::make_unique<Graph>(workers.impl_->arena)) {}
StageLoop::~StageLoop() = default;

std::unique_ptr<StageLoop::Turns> StageLoop::Add(std::function<Shard*()> begin) {
  auto impl = std::make_unique<Turns::Impl>();
  Turns::Impl* turns = impl.get();
  turns->lane.Submit([this, turns, begin = std::move(begin)] {
    Shard* shard = begin();
    if (shard == nullptr) return turns->progress.End();
    graph_->arena.execute([&] {
      graph_->exchange->try_put(Token{shard, &turns->lane, &turns->progress});
    });
  });
  return std::unique_ptr<Turns>(new Turns(std::move(impl)));
}

}  // namespace weft::graph
