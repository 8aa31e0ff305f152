// Command serve serves the files of a folder over HTTP, as a feed's server
// does: with Last-Modified, and with 304 where nothing is newer. It is for
// "make try". It prints the address that it listens on.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: serve ADDRESS:PORT FOLDER")
	}
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Addr())
	server := &http.Server{Handler: http.FileServer(http.Dir(os.Args[2])), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(l))
}
