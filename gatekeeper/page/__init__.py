"""The status page: files that the Librarian writes into www/ for any web server, or for a browser without one."""
