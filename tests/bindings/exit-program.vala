// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes 100 runs and ends in the way that is given, without a flush. With "term", the program lets
// lsobs handle signals, and SIGTERM ends its main loop.

Lsobs.Observer? kept = null;

int main (string[] args) {
  var config = new Lsobs.Config.from_environment ();
  // nothing leaves before the end
  config.flush_interval = 3600000;
  config.max_batch_size = 1000;
  config.shutdown_timeout = config.exit_timeout;
  try {
    var observer = new Lsobs.Observer (config);
    for (int i = 0; i < 100; i++)
      observer.start_run (@"run-$i", Lsobs.RunType.CHAIN, null).end (null);
    if (args[1] == "exit") {
      Process.exit (7);
    } else if (args[1] == "keep") {
      // a variable of the whole program: nobody drops it
      kept = observer;
    } else if (args[1] == "term") {
      Lsobs.install_signal_handlers (null);
      Process.raise (ProcessSignal.TERM);
      new MainLoop ().run ();
    }
  } catch (Error e) {
    error ("%s", e.message);
  }
  return 0;
}
