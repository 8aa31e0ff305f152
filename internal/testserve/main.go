// Command serve serves the files of a folder over HTTP like the server of a feed, with
// Last-Modified and 304. It is for "make try". It prints the address on which it
// listens.
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
