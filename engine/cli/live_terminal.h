// LiveTerminal: the whole terminal for a command that redraws itself, until it is given back.
//
// Takes the alternate screen, hides the cursor and reads keys one by one; what was on the screen
// before is there again at the end, however the end comes: a key, Ctrl-C, SIGTERM, SIGHUP, an
// exception. Ctrl-Z gives the terminal back for as long as the process is stopped. Make it before
// any other thread (signals are blocked in the calling thread, which later ones inherit); one per
// process, one thread.
#pragma once

#include <csignal>
#include <cstdint>
#include <memory>
#include <string>

#include <termios.h>

#include "engine/base/result.h"

namespace weft::cli {

class LiveTerminal {
 public:
  // False where output is no terminal, or one that cannot be drawn on (TERM=dumb).
  static bool Possible();
  static Result<std::unique_ptr<LiveTerminal>> Open();
  ~LiveTerminal();
  LiveTerminal(const LiveTerminal&) = delete;
  LiveTerminal& operator=(const LiveTerminal&) = delete;

  enum class Event : uint8_t { kTime, kRedraw, kEnd };
  // Waits at most ns. kRedraw: the size has changed, or somebody else has written to the screen;
  // kEnd: the user has pressed q, or asked for the end in another way.
  Event Wait(int64_t ns);
  // kIo: the terminal is gone.
  Result<void> Write(const std::string& text);
  static size_t Height();

 private:
  LiveTerminal() = default;
  void Take();
  void GiveBack();
  Event ReadKeys();
  Event ReadSignal();

  int signals_ = -1;   // signalfd
  bool keys_ = false;  // standard input is a terminal
  bool taken_ = false;
  sigset_t mask_before_{};
  termios before_{};
};

}  // namespace weft::cli
