import atexit
import os
import threading
import time


def start():
    atexit.register(time.sleep, 60)
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    return os.fork()
