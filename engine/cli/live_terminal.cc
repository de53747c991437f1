#include "engine/cli/live_terminal.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <fmt/format.h>

namespace weft::cli {
namespace {

// Alternate screen, no cursor, cleared; and back.
constexpr char kTake[] = "\x1b[?1049h\x1b[?25l\x1b[2J";
constexpr char kGiveBack[] = "\x1b[0m\x1b[?25h\x1b[?1049l";

sigset_t Signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP})
    sigaddset(&set, number);
  return set;
}

bool EndsIt(char key) { return key == 'q' || key == 'Q'; }

}  // namespace

bool LiveTerminal::Possible() {
  const char* const kind = std::getenv("TERM");
  return ::isatty(STDOUT_FILENO) != 0 && kind != nullptr && *kind != 0 &&
         std::strcmp(kind, "dumb") != 0;
}

Result<std::unique_ptr<LiveTerminal>> LiveTerminal::Open() {
  std::unique_ptr<LiveTerminal> terminal(new LiveTerminal());
  const sigset_t set = Signals();
  terminal->signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (terminal->signals_ < 0)
    return Fail(Code::kIo, fmt::format("signalfd: {}", std::strerror(errno)));
  ::pthread_sigmask(SIG_BLOCK, &set, &terminal->mask_before_);
  terminal->keys_ =
      ::isatty(STDIN_FILENO) != 0 && ::tcgetattr(STDIN_FILENO, &terminal->before_) == 0;
  terminal->Take();
  return terminal;
}

LiveTerminal::~LiveTerminal() {
  if (signals_ < 0) return;
  GiveBack();
  ::close(signals_);
  ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

void LiveTerminal::Take() {
  if (keys_) {
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);  // ISIG stays: Ctrl-C is a signal
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  taken_ = true;
  (void)Write(kTake);
}

void LiveTerminal::GiveBack() {
  if (!taken_) return;
  taken_ = false;
  (void)Write(kGiveBack);
  // What was typed meanwhile was not meant for the shell.
  if (keys_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
}

LiveTerminal::Event LiveTerminal::Wait(int64_t ns) {
  pollfd inputs[] = {{signals_, POLLIN, 0}, {keys_ ? STDIN_FILENO : -1, POLLIN, 0}};
  const int64_t ms = std::clamp<int64_t>((ns + 999'999) / 1'000'000, 0, INT_MAX);
  const int n = ::poll(inputs, 2, static_cast<int>(ms));
  if (n <= 0) return Event::kTime;
  if (inputs[0].revents != 0) return ReadSignal();
  return ReadKeys();
}

LiveTerminal::Event LiveTerminal::ReadKeys() {
  char keys[64];
  const ssize_t n = ::read(STDIN_FILENO, keys, sizeof keys);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return Event::kTime;
  if (n <= 0) return Event::kEnd;  // hung up
  // An arrow key or a paste may contain the letter, and means something else.
  if (keys[0] == '\x1b') return Event::kRedraw;
  return std::any_of(keys, keys + n, EndsIt) ? Event::kEnd : Event::kRedraw;
}

LiveTerminal::Event LiveTerminal::ReadSignal() {
  signalfd_siginfo info{};
  if (::read(signals_, &info, sizeof info) != sizeof info) return Event::kTime;
  if (info.ssi_signo == SIGWINCH) return Event::kRedraw;
  if (info.ssi_signo != SIGTSTP) return Event::kEnd;
  GiveBack();
  ::raise(SIGSTOP);  // goes on here after SIGCONT
  Take();
  return Event::kRedraw;
}

Result<void> LiveTerminal::Write(const std::string& text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (n > 0) {
      rest.remove_prefix(static_cast<size_t>(n));
    } else if (n < 0 && errno == EAGAIN) {  // somebody made the terminal non-blocking
      pollfd output = {STDOUT_FILENO, POLLOUT, 0};
      ::poll(&output, 1, 100);
    } else if (n == 0 || errno != EINTR) {
      return Fail(Code::kIo, fmt::format("the terminal: {}", std::strerror(errno)));
    }
  }
  return {};
}

size_t LiveTerminal::Height() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

}  // namespace weft::cli
