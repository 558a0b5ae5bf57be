# One peer of a swarm of libtorrent: torrent.py make FILE TORRENT PIECE_BYTES
#                                    torrent.py run TORRENT FOLDER ADDRESS PORT PEER...
# `run` writes a line when it is ready and one when it has everything, and, when standard input
# ends, a line with the bytes of pieces that it has uploaded.
import os
import sys
import threading
import time

import libtorrent as lt


def make(file, torrent, piece_bytes):
    files = lt.file_storage()
    lt.add_files(files, file)
    made = lt.create_torrent(files, int(piece_bytes))
    lt.set_piece_hashes(made, os.path.dirname(file))
    with open(torrent, "wb") as out:
        out.write(lt.bencode(made.generate()))


def run(torrent, folder, address, port, *peers):
    session = lt.session({
        "listen_interfaces": f"{address}:{port}",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "alert_mask": 0,
    })
    handle = session.add_torrent({"ti": lt.torrent_info(torrent), "save_path": folder})
    while str(handle.status().state) in ("checking_files", "checking_resume_data"):
        time.sleep(0.05)
    print("ready", flush=True)
    sys.stdin.readline()
    for peer in peers:
        handle.connect_peer((peer, int(port)))
    over = threading.Event()

    def wait_for_end():
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    done = False
    while not over.is_set():
        if not done and handle.status().is_seeding:
            done = True
            print("done", flush=True)
        over.wait(0.1)
    print("uploaded", handle.status().total_payload_upload, flush=True)


{"make": make, "run": run}[sys.argv[1]](*sys.argv[2:])
