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

struct Token {
  Shard* shard;
  Lane* lane;
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
                                                if (token.shard->Exchange()) gateway.try_put(token);
                                                gateway.release_wait();
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

  tbb::task_arena& arena;
  std::unique_ptr<tbb::flow::graph> flow;
  std::unique_ptr<Exchange> exchange;
  std::unique_ptr<tbb::flow::function_node<Token, Token>> compute;
  std::vector<Token> tokens;
  std::vector<std::unique_ptr<Lane>> lanes;  // last: joined before the nodes go
};

StageLoop::StageLoop(std::vector<Shard*> shards, Workers& workers)
    : graph_(std::make_unique<Graph>(workers.impl_->arena)) {
  for (Shard* shard : shards) {
    graph_->lanes.push_back(std::make_unique<Lane>());
    graph_->tokens.push_back({shard, graph_->lanes.back().get()});
  }
}

StageLoop::~StageLoop() = default;

void StageLoop::Start() {
  graph_->arena.execute([this] {
    for (Token token : graph_->tokens) graph_->exchange->try_put(token);
  });
}

void StageLoop::Join() {
  graph_->arena.execute([this] { graph_->flow->wait_for_all(); });
}

}  // namespace weft::graph
